"""The provider price book and burn tables."""

from django.urls import path

from pricing.api.burn_margins import MarginsView
from pricing.api.burn_tables import BurnTablesView, BurnTableView, BurnVersionsView
from pricing.api.prices import DecisionView, ImportsView, ImportView, PricesView

urlpatterns = [
    path("v1/prices", PricesView.as_view(), name="prices"),
    path("v1/prices/import", ImportsView.as_view(), name="price-imports"),
    path("v1/prices/import/<int:id>", ImportView.as_view(), name="price-import"),
    path(
        "v1/prices/import/<int:id>/approve",
        DecisionView.as_view(decision="approve"),
        name="price-import-approve",
    ),
    path(
        "v1/prices/import/<int:id>/refuse",
        DecisionView.as_view(decision="refuse"),
        name="price-import-refuse",
    ),
    path("v1/burn-tables", BurnTablesView.as_view(), name="burn-tables"),
    path("v1/burn-tables/<str:key>", BurnTableView.as_view(), name="burn-table"),
    path("v1/burn-tables/<str:key>/margins", MarginsView.as_view(), name="burn-table-margins"),
    path("v1/burn-tables/<str:key>/versions", BurnVersionsView.as_view(), name="burn-table-versions"),
]
