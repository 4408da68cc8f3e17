"""Plans, their versions, and prices tried out."""

from django.urls import path

from pricing.api.plans import (
    DiffView,
    PlansView,
    PlanView,
    PublishView,
    RetireView,
    VersionsView,
    VersionView,
)
from pricing.api.preview import PricePreviewView

VERSION = "v1/plans/<str:key>/versions/<int:number>"

urlpatterns = [
    path("v1/plans", PlansView.as_view(), name="plans"),
    path("v1/plans/<str:key>", PlanView.as_view(), name="plan"),
    path("v1/plans/<str:key>/versions", VersionsView.as_view(), name="plan-versions"),
    path(VERSION, VersionView.as_view(), name="plan-version"),
    path(f"{VERSION}/publish", PublishView.as_view(), name="plan-version-publish"),
    path(f"{VERSION}/retire", RetireView.as_view(), name="plan-version-retire"),
    path(f"{VERSION}/diff", DiffView.as_view(), name="plan-version-diff"),
    path("v1/price-preview", PricePreviewView.as_view(), name="price-preview"),
]
