"""What is read by types in one pass is what the careful reader reads; what it would refuse is left to it."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import limits
from metering.formats import plain_events
from metering.formats.event_json import decode_events
from metering.formats.native import read_event
from metering.reading import Reading, read_each, read_one

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)
USUAL: dict[str, Any] = {
    "id": "call-1",
    "source": "checkout",
    "customer": "acme",
    "type": "llm.call",
    "time": "2026-03-08T11:59:58.250Z",
    "provider": "anthropic",
    "model": "claude-opus-4-5",
    "service_tier": "batch",
    "usage": {"input": 1200, "cache_read": 0, "output": 300},
    "quantity": "2.50",
    "status": "error",
    "latency_ms": 812,
    "hold": "h-1",
    "response_id": "msg_0123456789",
    "run": {"id": "run-1", "step": 0, "attempt": 2, "parent": "run-0"},
    "properties": {"feature": "chat", "team": "", "note": "two words: \u007e"},
}
TIMES = ["2026-03-08T11:00:00Z", "2026-03-08t11:00:00z", "2026-03-08T12:00:00+01:00", "2026-03-08T11:00:60Z"]
TIMES += ["2026-03-08T11:00:00.5Z", "2026-03-08T11:00:00.123456789Z", "2026-W10-7T11:00:00Z", "", "soon"]
TIMES += ["2027-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "2026-02-30T00:00:00Z"]
TEXTS = st.sampled_from(["", "a", "A-1", "two words", " ", "é", "\u0000", "\u007f", '"', "\\", "x" * 300])
NUMBERS = st.sampled_from([0, -1, 1, 2**31, 10**20, 5.0, 0.1, True, None, "1", "1.50", "1e3", ""])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "time": st.sampled_from([*TIMES, None, 5]),
    "service_tier": st.sampled_from(["standard", "default", "flex", "priority", "turbo", "", None]),
    "usage": st.dictionaries(
        st.sampled_from(["input", "output", "images", "nonsense", ""]), NUMBERS, max_size=3
    ),
    "quantity": NUMBERS,
    "latency_ms": NUMBERS,
    "run": st.dictionaries(st.sampled_from(["id", "step", "attempt", "parent", "else"]), TEXTS | NUMBERS),
    "properties": st.dictionaries(TEXTS, TEXTS | NUMBERS, max_size=3) | st.none(),
    "response": st.just({"usage": {}}),
    "tier": TEXTS,
}


def events() -> st.SearchStrategy[dict[str, Any]]:
    """The usual event with some fields left out, and others as anybody might send them."""
    other = st.sampled_from(sorted(VALUES.keys() | USUAL.keys())).flatmap(
        lambda name: st.tuples(st.just(name), VALUES.get(name, TEXTS | st.none() | NUMBERS))
    )
    return st.tuples(st.sets(st.sampled_from(sorted(USUAL))), st.lists(other, max_size=2)).map(
        lambda drawn: {name: value for name, value in USUAL.items() if name not in drawn[0]} | dict(drawn[1])
    )


def carefully(sent: list[bytes], lone: bool, customer: str | None) -> Reading:
    read = partial(read_event, now=NOW, customer=customer)
    if lone:
        return read_one(decode_events(sent[0]), read)  # a single one's body holds no other
    return read_each([decode_events(one) for one in sent], read)


def in_one_pass(sent: list[bytes], shape: str, customer: str | None = None) -> Reading | None:
    """The same events in one of the shapes that a body may have."""
    if shape == "lines":
        return plain_events.read_lines(b"\n".join(sent) + b"\n", now=NOW, customer=customer)
    listed = b"[" + b", ".join(sent) + b"]"
    body = {"array": listed, "object": b'{"events": ' + listed + b"}", "single": sent[0]}[shape]
    return plain_events.read_body(body, now=NOW, customer=customer)


SHAPES = st.sampled_from(["array", "object", "lines", "single"])


@given(st.lists(events(), min_size=1, max_size=3), SHAPES, st.sampled_from([None, "acme", "other"]))
def test_what_it_reads_the_careful_reader_reads_alike(
    sent: list[dict[str, Any]], shape: str, customer: str | None
) -> None:
    written = [json.dumps(event, ensure_ascii=False).encode() for event in sent]
    reading = in_one_pass(written, shape, customer)
    if reading is not None:
        assert reading == carefully(written, shape == "single", customer)


@given(st.sets(st.sampled_from(sorted(USUAL.keys() - {"id", "type", "customer"}))), st.booleans(), SHAPES)
def test_it_reads_whatever_is_usual(missing: set[str], with_nulls: bool, shape: str) -> None:
    kept = {name: value for name, value in USUAL.items() if name not in missing}
    nulls = dict.fromkeys(missing) if with_nulls else {}
    written = [json.dumps(event).encode() for event in (kept | nulls, kept)]
    reading = in_one_pass(written, shape)
    assert reading is not None
    assert reading == carefully(written, shape == "single", None)


@pytest.mark.parametrize(
    "body",
    [
        b'[{"id":"a","id":"b","type":"t","customer":"c"}]',
        b'[{"id":"a","type":"t","customer":"c","properties":{"x":"1","x":"2"}}]',
        b'[{"id":"a","type":"t","customer":"c","usage":{"input":1,"input":2}}]',
        b'[{"id":"\\u0061","type":"t","customer":"c"}]',
        '[{"id":"a","type":"t","customer":"c","properties":{"x":"\u00e9"}}]'.encode(),
        b'\xef\xbb\xbf[{"id":"a","type":"t","customer":"c"}]',
        b'{"events":[{"id":"a","type":"t","customer":"c"}],"more":1}',
        b'{"events":[],"events":[{"id":"a","type":"t","customer":"c"}]}',
        b"[]",
        b"[",
        b"",
        b"3",
    ],
    ids=[
        "names",
        "properties",
        "usage",
        "escape",
        "letter",
        "mark",
        "beside",
        "twice",
        "empty",
        "cut",
        "none",
        "number",
    ],
)
def test_what_is_unusual_is_left_to_the_careful_reader(body: bytes) -> None:
    assert plain_events.read_body(body, now=NOW, customer=None) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, "two words")
        for name in ("id", "source", "customer", "hold", "response_id", "type", "model", "status")
    ]
    + [(name, "x" * 300) for name in ("id", "type", "provider", "model", "status", "hold")]
    + [
        ("run", {"id": "r 1"}),
        ("run", {"id": "r", "parent": "p 1"}),
        ("run", {"step": 1}),
        ("usage", {"input": 10**20}),
        ("usage", {"nonsense": 1}),
        ("usage", {"input": 1.5}),
        ("quantity", "-1"),
        ("service_tier", "turbo"),
        ("properties", {"n": 1}),
        ("properties", {str(n): "" for n in range(limits.EVENT_PROPERTIES_MAX + 1)}),
        ("customer", None),
    ],
)
def test_a_value_that_may_be_wrong_is_left_to_the_careful_reader(name: str, value: Any) -> None:
    body = json.dumps([USUAL | {name: value}]).encode()
    assert plain_events.read_body(body, now=NOW, customer=None) is None


@given(SHAPES)
def test_an_id_that_a_gateway_wrapped_is_the_providers_own(shape: str) -> None:
    inside = b64encode(b"litellm:custom_llm_provider:openai;model_id:None;response_id:resp_123").decode()
    sent = [json.dumps(USUAL | {"response_id": f"resp_{inside}"}).encode()]
    reading = in_one_pass(sent, shape)
    assert reading is not None
    assert reading == carefully(sent, shape == "single", None)
    assert reading.events[0].response_id == "resp_123"


def test_an_event_of_another_customer_than_the_keys_is_left_to_the_careful_reader() -> None:
    assert plain_events.read_body(json.dumps([USUAL]).encode(), now=NOW, customer="other") is None


def test_a_batch_of_too_many_is_left_to_the_careful_reader() -> None:
    event = {"id": "a", "type": "t", "customer": "c"}
    body = json.dumps([event] * (limits.BATCH_EVENTS_MAX + 1)).encode()
    assert plain_events.read_body(body, now=NOW, customer=None) is None


@pytest.mark.parametrize(
    "ahead", [timedelta(seconds=limits.EVENT_FUTURE_SECONDS_MAX + 1), timedelta(days=-401)]
)
def test_a_time_out_of_bounds_is_left_to_the_careful_reader(ahead: timedelta) -> None:
    written = (NOW + ahead).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = json.dumps([USUAL | {"time": written}]).encode()
    assert plain_events.read_body(body, now=NOW, customer=None) is None
