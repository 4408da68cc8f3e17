"""Is it alive, is it ready, and what does it count: `/livez`, `/readyz`, `/metrics`."""

import hmac
import os
from functools import cache

import structlog
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from psycopg_pool import PoolTimeout

log = structlog.get_logger("burnline.health")


@require_safe
@never_cache
def livez(request: HttpRequest) -> HttpResponse:
    """This process answers; it says nothing of what it depends on."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """Postgres answers and has every migration of this release; 503 otherwise. Redis may be away."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = set(cursor.fetchall())
    except (Error, PoolTimeout) as error:
        log.warning("not_ready", reason=str(error))
        return JsonResponse({"status": "unavailable", "postgres": "unreachable"}, status=503)
    missing = sorted(f"{app}.{name}" for app, name in _migrations_of_this_release() - applied)
    if missing:
        return JsonResponse(
            {"status": "unavailable", "postgres": "ok", "migrations_missing": missing}, status=503
        )
    return JsonResponse({"status": "ok", "postgres": "ok", "migrations": "ok"})


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus metrics of all processes; for this machine, or for bearers of BURNLINE_METRICS_TOKEN."""
    if not _may_read_metrics(request):
        return HttpResponseForbidden("Metrics need Authorization: Bearer BURNLINE_METRICS_TOKEN.\n")
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    # Behind a proxy every request comes from this machine, so its header must be absent as well.
    return (
        request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"} and "X-Forwarded-For" not in request.headers
    )


@cache
def _migrations_of_this_release() -> frozenset[tuple[str, str]]:
    return frozenset(MigrationLoader(None).disk_migrations)
