"""The catalogue of meters."""

from django.urls import path

from metering.api.meters import MetersView, MeterView

urlpatterns = [
    path("v1/meters", MetersView.as_view(), name="meters"),
    path("v1/meters/<str:key>", MeterView.as_view(), name="meter"),
]
