"""Every address of the house. A room's `urls.py` lists its paths from the root."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from config import health
from metering.urls import urlpatterns as event_addresses

ROOMS = ("core", "customers", "pricing", "billing", "console", "portal")

urlpatterns: list[URLPattern | URLResolver] = [
    # First, and without a level of their own to go through: most requests bring events.
    *event_addresses,
    path("livez", health.livez, name="livez"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("v1/schema", SpectacularAPIView.as_view(), name="schema"),
    path("v1/docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    path("accounts/", include("allauth.urls")),
    *(path("", include(f"{room}.urls")) for room in ROOMS if find_spec(f"{room}.urls")),
]

handler400 = "core.http.unknown.bad_request"
handler404 = "core.http.unknown.not_found"
handler500 = "core.http.unknown.failed"
