"""Where events come in and are listed."""

from django.urls import path

from metering.api.compatible import CompatibleBatchView, CompatibleEventsView
from metering.api.events import EventsView
from metering.api.litellm import LiteLLMView
from metering.api.rejected import (
    DiscardUnmatchedView,
    DiscardView,
    RejectedEventsView,
    ReplayView,
    TakeInView,
    UnmatchedEventsView,
)
from metering.api.traces import TracesView

urlpatterns = [
    path("v1/events", EventsView.as_view(), name="events"),
    path("v1/events/rejected", RejectedEventsView.as_view(), name="rejected-events"),
    path("v1/events/rejected/<str:id>/replay", ReplayView.as_view(), name="replay-event"),
    path("v1/events/rejected/<str:id>/discard", DiscardView.as_view(), name="discard-event"),
    path("v1/events/unmatched", UnmatchedEventsView.as_view(), name="unmatched-events"),
    path("v1/events/unmatched/take-in", TakeInView.as_view(), name="take-in-unmatched"),
    path("v1/events/unmatched/discard", DiscardUnmatchedView.as_view(), name="discard-unmatched"),
    path("v1/litellm", LiteLLMView.as_view(), name="litellm"),
    path("v1/traces", TracesView.as_view(), name="traces"),
    path("api/v1/events", CompatibleEventsView.as_view(), name="compatible-events"),
    path("api/v1/events/batch", CompatibleBatchView.as_view(), name="compatible-batch"),
]
