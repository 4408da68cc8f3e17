from django.urls import path

from billing.api.backfills import (
    BackfillCustomersView,
    BackfillRowsView,
    BackfillsView,
    BackfillView,
    CheckView,
    CloseView,
    DiscardView,
    FileView,
    PartView,
    RejectedFileView,
    RevertView,
)
from billing.api.credits import BalanceView, CreditLedgerView, GrantsView, VoidGrantView
from billing.api.invoice_steps import FinalizeView, PayView, UncollectibleView, VoidView
from billing.api.invoices import InvoicePdfView, InvoicesView, InvoiceView, LineEventsView
from billing.api.plan_moves import CancelMoveView, MoveRowView, MoveStepsView, MovesView, MoveView
from billing.api.receipts import ReceiptView
from billing.api.rerating import ApplyView, ReRatingCustomersView, ReRatingsView, ReRatingView
from billing.api.runs import RunsView, RunView
from billing.api.sandbox import ClockView
from billing.api.spend import ForecastView, SpendView
from billing.api.subscription_terms import AddOnsView, EndAddOnView, OverridesView
from billing.api.subscriptions import CancelView, ChangeView, SubscriptionsView, SubscriptionView
from billing.api.usage import PropertiesView, UsageView
from billing.api.value_events import (
    ArchiveValueEventView,
    ValueEventsView,
    ValueEventView,
    ValueReportView,
)
from billing.stripe.webhook import stripe_webhook

CUSTOMER = "v1/customers/<str:key>"
SUBSCRIPTION = "v1/subscriptions/<str:key>"
INVOICE = "v1/invoices/<str:id>"
BACKFILL = "v1/backfills/<str:id>"

urlpatterns = [
    path("v1/subscriptions", SubscriptionsView.as_view(), name="subscriptions"),
    path(SUBSCRIPTION, SubscriptionView.as_view(), name="subscription"),
    path(f"{SUBSCRIPTION}/change", ChangeView.as_view(), name="subscription-change"),
    path(f"{SUBSCRIPTION}/cancel", CancelView.as_view(), name="subscription-cancel"),
    path(f"{SUBSCRIPTION}/overrides", OverridesView.as_view(), name="subscription-overrides"),
    path(f"{SUBSCRIPTION}/add-ons", AddOnsView.as_view(), name="add-ons"),
    path(f"{SUBSCRIPTION}/add-ons/<str:add_on>/end", EndAddOnView.as_view(), name="add-on-end"),
    path(f"{CUSTOMER}/spend", SpendView.as_view(), name="spend"),
    path(f"{CUSTOMER}/forecast", ForecastView.as_view(), name="forecast"),
    path(f"{CUSTOMER}/credits", BalanceView.as_view(), name="credits"),
    path(f"{CUSTOMER}/credits/ledger", CreditLedgerView.as_view(), name="credit-ledger"),
    path("v1/credit-grants", GrantsView.as_view(), name="credit-grants"),
    path("v1/credit-grants/<str:id>/void", VoidGrantView.as_view(), name="credit-grant-void"),
    path("v1/events/<path:id>/receipt", ReceiptView.as_view(), name="receipt"),
    path("v1/invoices", InvoicesView.as_view(), name="invoices"),
    path(f"{INVOICE}.pdf", InvoicePdfView.as_view(), name="invoice-pdf"),
    path(INVOICE, InvoiceView.as_view(), name="invoice"),
    path(f"{INVOICE}/lines/<int:n>/events", LineEventsView.as_view(), name="invoice-line-events"),
    path(f"{INVOICE}/finalize", FinalizeView.as_view(), name="invoice-finalize"),
    path(f"{INVOICE}/void", VoidView.as_view(), name="invoice-void"),
    path(f"{INVOICE}/pay", PayView.as_view(), name="invoice-pay"),
    path(f"{INVOICE}/uncollectible", UncollectibleView.as_view(), name="invoice-uncollectible"),
    path("v1/plans/<str:key>/versions/<int:number>/move", MoveView.as_view(), name="plan-move"),
    path("v1/plan-moves", MovesView.as_view(), name="plan-moves"),
    path("v1/plan-moves/<str:id>", MoveRowView.as_view(), name="plan-move-row"),
    path("v1/plan-moves/<str:id>/steps", MoveStepsView.as_view(), name="plan-move-steps"),
    path("v1/plan-moves/<str:id>/cancel", CancelMoveView.as_view(), name="plan-move-cancel"),
    path("v1/re-ratings", ReRatingsView.as_view(), name="re-ratings"),
    path("v1/re-ratings/<str:id>", ReRatingView.as_view(), name="re-rating"),
    path("v1/re-ratings/<str:id>/customers", ReRatingCustomersView.as_view(), name="re-rating-customers"),
    path("v1/re-ratings/<str:id>/apply", ApplyView.as_view(), name="re-rating-apply"),
    path("v1/usage", UsageView.as_view(), name="usage"),
    path("v1/usage/properties", PropertiesView.as_view(), name="usage-properties"),
    path("v1/runs", RunsView.as_view(), name="runs"),
    path("v1/runs/<path:id>", RunView.as_view(), name="run"),
    path("v1/value-events", ValueEventsView.as_view(), name="value-events"),
    path("v1/value-events/<str:key>", ValueEventView.as_view(), name="value-event"),
    path("v1/value-events/<str:key>/archive", ArchiveValueEventView.as_view(), name="value-event-archive"),
    path("v1/value-events/<str:key>/report", ValueReportView.as_view(), name="value-report"),
    path("v1/backfills", BackfillsView.as_view(), name="backfills"),
    path(BACKFILL, BackfillView.as_view(), name="backfill"),
    path(f"{BACKFILL}/file", FileView.as_view(), name="backfill-file"),
    path(f"{BACKFILL}/file/parts/<int:number>", PartView.as_view(), name="backfill-part"),
    path(f"{BACKFILL}/check", CheckView.as_view(), name="backfill-check"),
    path(f"{BACKFILL}/close", CloseView.as_view(), name="backfill-close"),
    path(f"{BACKFILL}/revert", RevertView.as_view(), name="backfill-revert"),
    path(f"{BACKFILL}/discard", DiscardView.as_view(), name="backfill-discard"),
    path(f"{BACKFILL}/customers", BackfillCustomersView.as_view(), name="backfill-customers"),
    path(f"{BACKFILL}/rows", BackfillRowsView.as_view(), name="backfill-rows"),
    path(f"{BACKFILL}/rejected.csv", RejectedFileView.as_view(), name="backfill-rejected"),
    path("v1/sandbox/clock", ClockView.as_view(), name="sandbox-clock"),
    path("v1/stripe/webhook", stripe_webhook, name="stripe-webhook"),
]
