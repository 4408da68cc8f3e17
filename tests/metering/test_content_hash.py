"""The hash follows an event's meaning."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.content_hash import content_hash
from metering.formats.native import read_event
from metering.new_event import as_kept, from_kept

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
EVENT = {
    "id": "e1",
    "source": "api",
    "customer": "acme",
    "type": "llm.call",
    "time": "2026-11-21T08:00:00Z",
    "provider": "anthropic",
    "model": "claude-opus-4-5",
    "service_tier": "batch",
    "usage": {"input": 1200, "cache_write": {"5m": 7}},
    "quantity": "1",
    "status": "ok",
    "latency_ms": 812,
    "hold": "hold_1",
    "run": {"id": "run-9", "step": 3},
    "properties": {"feature": "chat", "pages": 2},
}
OTHER = {
    "type": "other",
    "time": "2026-11-21T08:00:01Z",
    "provider": "openai",
    "model": "gpt",
    "service_tier": "flex",
    "usage": {"input": 1201, "cache_write": {"5m": 7}},
    "quantity": "2",
    "status": "error",
    "latency_ms": 813,
    "hold": "hold_2",
    "run": {"id": "run-9", "step": 4},
    "properties": {"feature": "chat", "pages": 3},
}


def digest(event: dict[str, Any], now: datetime = NOW) -> bytes:
    return content_hash(read_event(event, now=now))


@pytest.mark.parametrize("field", OTHER)
def test_every_field_counts(field) -> None:
    assert digest(EVENT) != digest(EVENT | {field: OTHER[field]})


def test_a_time_left_to_the_server_does_not_count() -> None:
    untimed = {name: value for name, value in EVENT.items() if name != "time"}
    assert digest(untimed) == digest(untimed, NOW + timedelta(days=40))
    assert digest(untimed) != digest(EVENT | {"time": NOW.isoformat()})


def test_a_number_and_its_text_are_one_but_true_and_its_text_are_two() -> None:
    assert digest(EVENT) == digest(EVENT | {"properties": {"pages": "2", "feature": "chat"}})
    assert digest(EVENT | {"properties": {"a": True}}) != digest(EVENT | {"properties": {"a": "true"}})
    assert digest(EVENT | {"properties": {"a": None}}) != digest(EVENT | {"properties": {}})


def test_a_response_counts_as_the_provider_wrote_it() -> None:
    event = {name: value for name, value in EVENT.items() if name != "usage"}
    first = read_event(event | {"response": {"usage": {"input_tokens": 5, "output_tokens": 1}}}, now=NOW)
    better_read = msgspec.structs.replace(first, usage={"input": Decimal(99)}, mapping_version="later")
    assert content_hash(first) == content_hash(better_read)


@given(
    order=st.permutations(list(EVENT)),
    properties=st.permutations(list(EVENT["properties"])),  # type: ignore[call-overload]
    hours=st.integers(-12, 14),
    as_text=st.booleans(),
    zeros=st.integers(0, 3),
)
def test_how_it_is_written_does_not_count(order, properties, hours, as_text, zeros) -> None:
    local = datetime(2026, 11, 21, 8, tzinfo=UTC).astimezone(timezone(timedelta(hours=hours)))
    tokens: Any = Decimal("1200").quantize(Decimal(1).scaleb(-zeros))
    rewritten: dict[str, Any] = EVENT | {
        "time": local.isoformat(),
        "usage": {"cache_write_5m": "7", "input": str(tokens) if as_text else tokens},
        "properties": {name: EVENT["properties"][name] for name in properties},  # type: ignore[index]
    }
    assert digest({name: rewritten[name] for name in order}) == digest(EVENT)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=5),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(10**19), 10**19)
            | st.decimals(-9, 9, places=3)
            | st.text("aé", max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=5,
    )
)
def test_an_event_that_waited_for_its_customer_keeps_its_hash(properties) -> None:
    event = read_event(EVENT | {"properties": properties}, now=NOW)
    kept = msgspec.json.decode(msgspec.json.encode(as_kept(event)))
    assert content_hash(from_kept(kept)) == content_hash(event)
