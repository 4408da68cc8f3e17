"""Where events come in and are listed."""

from django.urls import path

from metering.events_api import EventsView

urlpatterns = [path("v1/events", EventsView.as_view(), name="events")]
