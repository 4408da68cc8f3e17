"""Bad numbers, texts and sizes at the door for events: refused with their place, never stored, never a 500."""

import json
import threading

import pytest

from core import limits
from metering.api import doors
from metering.models import Event, UnmatchedEvent

pytestmark = pytest.mark.django_db


def written(usage: str = '{"input": 1}', properties: str = "{}", more: str = "") -> str:
    return f'{{"id":"e1","customer":"acme","type":"t","usage":{usage},"properties":{properties}{more}}}'


BAD_NUMBERS = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e5",
    "1E-3",
    "1e-30",
    "0.0000000000000000001",
    "123456789012345678901",
    "9" * 5000,
    "true",
    '"1_000"',
    '"１２"',
    '"NaN"',
    '"1e3"',
    '" 1"',
    '"+1"',
    '""',
    "[]",
    "{}",
]


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize("field", ["usage", "quantity"])
def test_a_number_outside_the_grammar_is_422_and_named(door, field, number) -> None:
    if field == "usage":
        body, place = written(usage=f'{{"audio_seconds": {number}}}'), "usage.audio_seconds"
    else:
        body, place = written(more=f', "quantity": {number}'), "quantity"
    answer = door.post(body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [place]
    assert not Event.objects.exists()


@pytest.mark.parametrize("number", ["-1", '"-0.5"', "-9" + "9" * 19])
def test_a_negative_quantity_is_refused(door, number) -> None:
    assert door.post(written(more=f', "quantity": {number}')).status_code == 422
    assert door.post(written(usage=f'{{"input": {number}}}')).status_code == 422


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        ("-0", "0"),
        ("0.000000000000000001", "0.000000000000000001"),
        ('"00012.50"', "12.5"),
        ("9" * 20, "9" * 20),
    ],
)
def test_a_number_at_the_edge_of_the_grammar_is_stored_exactly(door, number, stored) -> None:
    assert door.post(written(more=f', "quantity": {number}')).status_code == 200
    assert format(Event.objects.get().quantity.normalize(), "f") == stored


@pytest.mark.parametrize("number", ["NaN", "1e131000", "1e5", "9" * 21, '{"deep": [1e400]}'])
def test_a_number_bomb_in_properties_is_refused_and_named(door, number) -> None:
    answer = door.post(written(properties=f'{{"a": {number}}}'))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("properties.a")


def test_properties_come_back_without_a_float(door) -> None:
    door.post(written(properties='{"pages": 12.50, "n": 3, "ok": true, "none": null, "list": [0.1]}'))
    assert Event.objects.get().properties == {
        "pages": "12.5",
        "n": 3,
        "ok": True,
        "none": None,
        "list": ["0.1"],
    }


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\u0007", "\\u009f", "\x7f"])
@pytest.mark.parametrize("field", ["id", "source", "customer", "type", "model", "property"])
def test_a_text_that_cannot_be_stored_is_422(door, field, text) -> None:
    event = {"id": "e1", "customer": "acme", "type": "t", "properties": {"a": "b"}}
    mark = "MARK"
    if field == "property":
        event["properties"] = {"a": f"x{mark}y"}
    else:
        event[field] = f"x{mark}y"
    answer = door.post(json.dumps(event).replace(mark, text).encode("utf-8", "surrogatepass"))
    assert answer.status_code == 422, answer.content
    assert not Event.objects.exists()
    assert not UnmatchedEvent.objects.exists()


@pytest.mark.parametrize("value", ["", "a b", "ä", "x" * 256, 5, None, ["a"], {"a": 1}])
def test_an_id_is_1_to_255_printable_ascii_characters(door, event, value) -> None:
    for field in ("id", "customer"):
        assert door.post(event(**{field: value})).status_code == 422
    assert door.post(event(id="x" * 255)).status_code == 200


def test_names_are_kept_in_one_unicode_form(door, event) -> None:
    door.post(event(model="cafe\u0301"))
    assert Event.objects.get().model == "caf\u00e9"


@pytest.mark.parametrize(
    "body",
    [
        '{"id":"e1","id":"e2","customer":"acme","type":"t"}',
        '{"id":"e1","customer":"acme","type":"t","usage":{"input":1,"input":1}}',
        '[{"id":"e1","customer":"acme","type":"t","properties":{"a":"b","a":"c"}}]',
        '{"id":"e1","customer":"acme","type":"t","properties":{"a":"\\"","\\u0061":"c"}}',
        "{",
        "",
        "nonsense",
        '{"id": "e1"} trailing',
        b'{"id": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        "[" * 100_000 + "]" * 100_000,
        '{"id":"e1","properties":{"a":' + "[" * 15 + "]" * 15 + "}}",
    ],
)
def test_a_body_that_is_not_strict_json_is_400(door, body) -> None:
    answer = door.post(body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert not Event.objects.exists()


def test_sixteen_levels_are_read(door) -> None:
    deep = written(properties='{"a":' + "[" * 14 + "]" * 14 + "}")
    assert door.post(deep).status_code == 200


@pytest.mark.parametrize(
    "body", ["null", "5", '"text"', "[null]", "[[]]", '{"events": {}}', '{"events": [], "x": 1}']
)
def test_a_body_that_holds_no_event_is_422(door, body) -> None:
    assert door.post(body).status_code == 422


def test_the_51st_property_is_too_many(door, event) -> None:
    most = {f"p{n}": "x" for n in range(limits.EVENT_PROPERTIES_MAX)}
    assert door.post(event(properties=most)).status_code == 200
    answer = door.post(event(id="e2", properties=most | {"more": "x"}))
    assert answer.json()["errors"][0] | {"detail": ""} == {
        "field": "properties",
        "code": "too_many",
        "detail": "",
    }


def test_a_body_beyond_the_limit_is_413(door) -> None:
    assert door.post(" " * (limits.BODY_BYTES_MAX + 1)).status_code == 413


@pytest.mark.parametrize("body", [b"", b" \n", b"\xef\xbb\xbf"])
def test_a_body_that_is_not_there_is_called_empty(door, body) -> None:
    answer = door.post(body)
    assert (answer.status_code, "is empty" in answer.json()["detail"]) == (400, True)


def test_gzip_that_is_none_is_400(door) -> None:
    assert door.post(b"plain", **{"Content-Encoding": "gzip"}).status_code == 400


@pytest.mark.parametrize(
    "time", ["2026-03-08T02:30:00", "yesterday", 5, "2026-11-20T24:00:00Z", "2026-13-01T00:00:00Z"]
)
def test_a_time_without_offset_or_sense_is_422(door, event, time) -> None:
    answer = door.post(event(time=time))
    assert answer.json()["errors"][0]["code"] == "time"


@pytest.mark.parametrize(
    "field", ["provider", "type", "status", "hold", "run", "properties", "usage", "latency_ms"]
)
@pytest.mark.parametrize("value", [True, 1.5, [1], "x" * 300, -1])
def test_a_value_of_the_wrong_kind_is_422(door, event, field, value) -> None:
    answer = door.post(event(**{field: value}))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field)


def test_a_service_tier_that_no_provider_has_costs_no_usage(door) -> None:
    response = json.dumps({"usage": {"prompt_tokens": 5}, "service_tier": "x" * 21})
    body = f'{{"id":"e1","customer":"acme","type":"t","provider":"openai","response":{response}}}'
    assert door.post(body).json()["accepted"] == 1
    assert (Event.objects.get().context, Event.objects.get().unpriced) == ("x" * 20, True)


def test_while_too_many_large_batches_are_read_another_is_503_with_retry_after(
    door, event, monkeypatch
) -> None:
    readers = threading.BoundedSemaphore()
    monkeypatch.setattr(doors, "_large_bodies", readers)
    monkeypatch.setattr(limits, "WAITING_EVENTS_SECONDS_MAX", 0)
    monkeypatch.setattr(limits, "LARGE_BODY_BYTES", 10)
    with readers:
        answer = door.post([event()])
        assert (answer.status_code, int(answer["Retry-After"]) > 0) == (503, True)
    assert door.post([event()]).status_code == 200
