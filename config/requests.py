"""A name for every request, and one log line when it ends."""

import re
import time
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

from core.ids import new_id

log = structlog.get_logger("burnline.requests")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
QUIET_PATHS = frozenset({"/livez", "/readyz", "/metrics"})


class RequestLogMiddleware:
    """Binds `request_id` to every log line of a request, answers it as `X-Request-Id`, and logs the outcome.

    A caller's own `X-Request-Id` is kept when it is 8 to 64 characters of letters, digits, dot, dash, underscore.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else str(new_id())
        started_at = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            response["X-Request-Id"] = request_id
            if request.path not in QUIET_PATHS:
                log.info(
                    "request",
                    method=request.method,
                    path=request.path,
                    status=response.status_code,
                    duration_ms=f"{(time.perf_counter() - started_at) * 1000:.1f}",
                )
        return response
