"""What every door for events does.

Ask who is there, read the body, and answer; without the weight of a framework view.
"""

import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from django.http import HttpRequest, HttpResponse

from core import limits
from core.clock import now as read_clock
from core.http.bodies import read_body
from core.http.credentials import Credential
from core.http.handler import PROBLEM_TYPE, problem_response
from core.problems import Invalid, Problem, Unauthorized, Unavailable
from customers.authentication import BearerKey
from metering.deliveries import Delivery
from metering.rejections import note_refused_body

Answer = Callable[[HttpRequest, bytes, Delivery], HttpResponse]
# Puts a refusal, rendered as a problem, into the form that the door's clients read.
Refuse = Callable[[HttpRequest, HttpResponse], HttpResponse]

_bearer_key = BearerKey()
_large_bodies = threading.BoundedSemaphore(limits.LARGE_BODIES_MAX)
_telemetry_bodies = threading.BoundedSemaphore()


def receive(
    request: HttpRequest,
    answer: Answer,
    *,
    door: str,
    most: int = limits.BODY_BYTES_MAX,
    refuse: Refuse | None = None,
    rehearses: bool = False,
) -> HttpResponse:
    """Answer a request that brings events by this door, in at most ``most`` bytes.

    Every refusal becomes ``application/problem+json``, or what ``refuse`` makes of it. A door that ``rehearses`` knows
    dry runs.
    """
    delivery = None
    try:
        credential = _credential_of(request)
        credential.require_scope("ingest")
        if not rehearses and "dry_run" in request.META.get("QUERY_STRING", ""):
            detail = "Only /v1/events takes it. Nothing was stored."
            raise Invalid.one("dry_run", "unknown_field", detail)
        delivery = Delivery(door, credential, read_clock())
        body = read_body(request, most=most)
        with _room_for(body):
            delivery.now, delivery.size = read_clock(), len(body)
            return answer(request, body, delivery)
    except Exception as error:
        if delivery is not None and isinstance(error, Problem):
            note_refused_body(delivery, error)
        answered = refusal(error)
        return refuse(request, answered) if refuse else answered


def json_answer(body: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(json.dumps(body), status=status, content_type="application/json")


def refusal(error: Exception) -> HttpResponse:
    """The problem as an answer. Raises what is a bug of ours again."""
    rendered = problem_response(error, {})
    if rendered is None:
        raise error
    response = HttpResponse(json.dumps(rendered.data), status=rendered.status_code, content_type=PROBLEM_TYPE)
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in rendered:
            response[name] = rendered[name]
    return response


def media_type(request: HttpRequest) -> str:
    """The body's type without its parameters, in lower case."""
    return (request.content_type or "").strip().lower()


def _credential_of(request: HttpRequest) -> Credential:
    found = _bearer_key.authenticate(request)  # type: ignore[arg-type]  # reads headers and META alone
    if found is None:
        raise Unauthorized("Send your API key: Authorization: Bearer KEY.")
    return found[1]


def _room_for(body: bytes) -> AbstractContextManager[object]:
    """Large bodies are read a few at a time, the largest one by one: each grows many times over while it is read."""
    if len(body) < limits.LARGE_BODY_BYTES:
        return nullcontext()
    readers = _telemetry_bodies if len(body) > limits.BODY_BYTES_MAX else _large_bodies
    if not readers.acquire(timeout=limits.WAITING_EVENTS_SECONDS_MAX):
        raise Unavailable("Too many large batches are being read; send this one again shortly.")
    return _Held(readers)


class _Held:
    def __init__(self, semaphore: threading.BoundedSemaphore) -> None:
        self._semaphore = semaphore

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        self._semaphore.release()
