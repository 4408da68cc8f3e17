"""What is sent: events as a product would report them, written out beforehand, for customers of their own."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.http_load import post_request
from benchmarks.installation import Installation

_numbers = itertools.count(1)
_spans_of_numbers = itertools.count(10_000_000, 10_000_000)


def event(number: int, customer: str) -> dict[str, Any]:
    """One call of a model, as a product would report it."""
    return {
        "id": f"0192e4a1-7b3c-7000-8000-{number:012d}",
        "source": "api",
        "customer": customer,
        "type": "llm.call",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "provider": "anthropic",
        "model": "claude-opus-4-5",
        "usage": {"input": 1200 + number % 977, "cache_read": 800, "output": 300 + number % 89},
        "status": "ok",
        "latency_ms": 812,
        "run": {"id": f"run-{number // 20}", "step": number % 20},
        "properties": {
            "feature": "chat",
            "user": f"u{number % 500}",
            "session": f"s{number // 10}",
            "team": "t1",
        },
    }


def span(number: int, customer: str) -> dict[str, Any]:
    """The same call as a span of OpenTelemetry's GenAI conventions."""
    at = time.time_ns()
    told: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-opus-4-5",
        "gen_ai.response.model": "claude-opus-4-5",
        "gen_ai.response.id": f"msg-{number}",
        "customer.id": customer,
    }
    counts = {
        "gen_ai.usage.input_tokens": 1200 + number % 977,
        "gen_ai.usage.output_tokens": 300 + number % 89,
    }
    attributes = [{"key": name, "value": {"stringValue": value}} for name, value in told.items()]
    attributes += [{"key": name, "value": {"intValue": str(count)}} for name, count in counts.items()]
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat claude-opus-4-5",
        "kind": 3,
        "startTimeUnixNano": str(at - 812_000_000),
        "endTimeUnixNano": str(at),
        "attributes": attributes,
    }


def first_number() -> int:
    """Where a run of events of its own may begin to number them: no customer is sent an id twice."""
    return next(_spans_of_numbers)


def new_customer(name: str) -> str:
    """A customer of its own, so that no measurement meets what another left; its key."""
    from core.clock import now
    from customers.customers import create_customer

    key = f"{name}-{next(_numbers)}"
    create_customer(key=key, name=key, now=now())
    return key


def customer_id_of(key: str) -> int:
    from customers.models import Customer

    return Customer.objects.get(key=key).id


def single_requests(installation: Installation, customers: int, *, ready: int = 8_000) -> Iterator[bytes]:
    """Lone events, of so many customers in turn."""
    keys = [new_customer("single") for _ in range(customers)]
    bodies = (event(number, keys[number % len(keys)]) for number in itertools.count())
    return _requests(installation, "/v1/events", bodies, ready)


def batch_requests(installation: Installation, keys: list[str], size: int, *, ready: int) -> Iterator[bytes]:
    """Batches of so many events each, of these customers in turn."""
    turns = zip(itertools.count(first_number(), size), itertools.cycle(keys))
    bodies = ([event(first + n, key) for n in range(size)] for first, key in turns)
    return _requests(installation, "/v1/events", bodies, ready)


def span_requests(installation: Installation, key: str, size: int, *, ready: int) -> Iterator[bytes]:
    """Exports of so many spans of one customer."""
    bodies = (
        {"resourceSpans": [{"scopeSpans": [{"spans": [span(first + n, key) for n in range(size)]}]}]}
        for first in itertools.count(first_number(), size)
    )
    return _requests(installation, "/v1/traces", bodies, ready)


def empty_requests(installation: Installation) -> Iterator[bytes]:
    """The floor of single events: the same body to a view that does nothing with it."""
    body = json.dumps(event(1, "nobody")).encode()
    return itertools.repeat(post_request(installation.host, "/bench/empty", body, installation.api_key))


def _requests(installation: Installation, path: str, bodies: Iterator[Any], ready: int) -> Iterator[bytes]:
    """The first ``ready`` are made at once, for the client must not take the processor that it measures."""

    def request(body: Any) -> bytes:
        return post_request(installation.host, path, json.dumps(body).encode(), installation.api_key)

    return itertools.chain([request(next(bodies)) for _ in range(ready)], map(request, bodies))
