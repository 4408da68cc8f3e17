from django.urls import path

from console.views import (
    customers,
    events,
    invoices,
    overview,
    own_prices,
    plan_edit,
    plan_moves,
    plans,
    price_imports,
    prices,
    re_ratings,
)

app_name = "console"

urlpatterns = [
    path("console/", overview.overview, name="overview"),
    path("console/work", overview.work, name="work"),
    path("console/customers", customers.customers, name="customers"),
    path("console/customers/<int:customer_id>", customers.customer, name="customer"),
    path("console/customers/<int:customer_id>/api-keys", customers.api_key, name="api_key"),
    path("console/customers/<int:customer_id>/portal-link", customers.portal_link, name="portal_link"),
    path("console/plans", plans.plans, name="plans"),
    path("console/new-plan", plan_edit.new_plan, name="new_plan"),
    path("console/plans/<str:key>", plans.plan, name="plan"),
    path("console/plans/<str:key>/versions/new", plan_edit.new_version, name="new_version"),
    path("console/plans/<str:key>/versions/<int:number>", plans.version, name="plan_version"),
    path("console/plans/<str:key>/versions/<int:number>/edit", plan_edit.edit_draft, name="edit_draft"),
    path("console/plans/<str:key>/versions/<int:number>/publish", plans.publish, name="publish"),
    path("console/plans/<str:key>/versions/<int:number>/retire", plans.retire, name="retire"),
    path("console/plans/<str:key>/versions/<int:number>/move", plan_moves.new_move, name="new_move"),
    path("console/plan-moves", plan_moves.moves, name="plan_moves"),
    path("console/plan-moves/<str:public>", plan_moves.move, name="plan_move"),
    path("console/plan-moves/<str:public>/cancel", plan_moves.cancel, name="cancel_move"),
    path("console/prices", prices.prices, name="prices"),
    path("console/prices/unpriced", prices.unpriced, name="unpriced"),
    path("console/prices/own", own_prices.own_prices, name="own_prices"),
    path("console/prices/imports", price_imports.imports, name="price_imports"),
    path("console/prices/imports/<int:snapshot_id>", prices.staged, name="staged"),
    path("console/prices/imports/<int:snapshot_id>/decide", prices.decide, name="decide"),
    path("console/re-ratings", re_ratings.re_rating_list, name="re_ratings"),
    path("console/re-ratings/new", re_ratings.new_re_rating, name="new_re_rating"),
    path("console/re-ratings/<str:public>", re_ratings.re_rating, name="re_rating"),
    path("console/re-ratings/<str:public>/apply", re_ratings.apply, name="re_rating_apply"),
    path("console/re-ratings/<str:public>/again", re_ratings.look_again, name="look_again"),
    path("console/invoices", invoices.invoices, name="invoices"),
    path("console/invoices/<int:customer_id>/<str:public_id>", invoices.invoice, name="invoice"),
    path("console/invoices/<int:customer_id>/<str:public_id>/pdf", invoices.pdf, name="invoice_pdf"),
    path("console/invoices/<int:customer_id>/<str:public_id>/finalize", invoices.finalize, name="finalize"),
    path("console/invoices/<int:customer_id>/<str:public_id>/void", invoices.void, name="void"),
    path(
        "console/invoices/<int:customer_id>/<str:public_id>/lines/<int:n>", invoices.line, name="invoice_line"
    ),
    path("console/events", events.events, name="events"),
    path("console/events/<int:customer_id>/<int:seq>", events.event, name="event"),
]
