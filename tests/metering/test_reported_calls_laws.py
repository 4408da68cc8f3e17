"""However reports of one call come, together or apart, again or late, it counts once and as the richest tells it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import msgspec
import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from customers.customers import create_customer
from customers.models import Customer
from metering.events import Outcome, store_events
from metering.models import Event, EventConflict, RicherReport
from metering.new_event import NewEvent
from metering.replacements import replace_events, waiting_places

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
RESPONSE = "chatcmpl-CqTPhRbEz7KwR5q"
numbers = count()


def report(event_id: str, source: str, door: str, usage: dict[str, int], **fields: object) -> NewEvent:
    plain = NewEvent(
        id=event_id,
        source=source,
        customer="",
        type="llm.call",
        occurred_at=NOW,
        response_id=RESPONSE,
        usage={bucket: Decimal(number) for bucket, number in usage.items()},
        door=door,
    )
    return msgspec.structs.replace(plain, **fields)


REPORTS = {
    "gateway": report("call-1", "litellm", "litellm", {"input": 2000, "output": 300}),
    "span": report(RESPONSE, "genai:openai", "otlp", {"input": 80, "cache_read": 1920, "output": 300}),
    "span of another": report(RESPONSE, "genai:openai", "otlp", {"input": 2000, "output": 300}, latency_ms=7),
    "span without usage": report(RESPONSE, "genai:openai", "otlp", {}, incomplete=True, flags=("unknown:x",)),
    "app": report(
        "mine-1", "app", "native", {"input": 80, "cache_read": 1920, "output": 200, "reasoning": 100}
    ),
    "backfill": report("row-1", "file", "backfill", {"input": 80, "cache_read": 1920, "output": 300}),
}
DETAIL = {name: 0 if told.incomplete else len(told.usage) for name, told in REPORTS.items()}
steps = st.lists(
    st.lists(st.sampled_from(sorted(REPORTS)), min_size=1, max_size=4) | st.just("replace"),
    min_size=1,
    max_size=7,
)


def put_in_place(customer: Customer) -> None:
    """What the room above does with richer reports, within minutes."""
    with transaction.atomic():
        places = waiting_places(customer.id, 100)
        replace_events(customer.id, places, now=NOW + timedelta(seconds=next(numbers)))


@settings(max_examples=120)
@given(steps=steps)
def test_it_counts_once_by_the_richest_and_no_order_is_a_conflict(db: None, steps: list[object]) -> None:
    customer = create_customer(key=f"c{next(numbers)}", name="C", now=NOW)
    told: set[str] = set()
    for step in steps:
        if step == "replace":
            put_in_place(customer)
            continue
        assert isinstance(step, list)
        batch = [msgspec.structs.replace(REPORTS[name], customer=customer.key) for name in step]
        outcomes = store_events(batch, now=NOW)
        told.update(step)
        assert set(outcomes) <= {Outcome.ACCEPTED, Outcome.DUPLICATE}, (steps, step, outcomes)
        assert Event.objects.filter(customer_id=customer.id).count() == 1
    put_in_place(customer)
    if not told:
        return
    counted = Event.objects.get(customer_id=customer.id)
    assert len(counted.usage) == max(DETAIL[name] for name in told)
    again = [msgspec.structs.replace(REPORTS[name], customer=customer.key) for name in sorted(told)]
    assert set(store_events(again, now=NOW)) == {Outcome.DUPLICATE}
    assert not RicherReport.objects.filter(customer_id=customer.id).exists()
    assert not EventConflict.objects.filter(customer_id=customer.id).exists()
