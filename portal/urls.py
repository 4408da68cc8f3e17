from django.urls import path

from portal.views import calls, credits, doors, invoices, period, runs, usage

app_name = "portal"

urlpatterns = [
    path("", doors.home, name="home"),
    path("portal/enter/<str:token>", doors.enter, name="enter"),
    path("portal/leave", doors.leave_portal, name="leave"),
    path("portal/choose", doors.choose_customer, name="choose"),
    path("portal/", period.period, name="period"),
    path("portal/usage", usage.usage, name="usage"),
    path("portal/credits", credits.credits, name="credits"),
    path("portal/burn-table", credits.burn_tables, name="burn_tables"),
    path("portal/invoices", invoices.invoices, name="invoices"),
    path("portal/invoices/<str:public_id>", invoices.invoice, name="invoice"),
    path("portal/invoices/<str:public_id>/pdf", invoices.pdf, name="invoice_pdf"),
    path("portal/invoices/<str:public_id>/lines/<int:n>", invoices.line, name="invoice_line"),
    path("portal/runs", runs.runs, name="runs"),
    path("portal/runs/<path:run_id>", runs.run, name="run"),
    path("portal/calls", calls.calls, name="calls"),
    path("portal/calls/<int:seq>", calls.call, name="call"),
]
