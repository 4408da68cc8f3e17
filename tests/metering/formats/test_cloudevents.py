"""CloudEvents in their three forms."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from metering.models import Event

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
CLOUD_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "ce-1",
    "source": "my-app",
    "type": "prompt",
    "subject": "acme",
    "data": {"tokens": 12, "model": "gpt-4o", "status": 200, "usage": {"output": 7}},
}


def check_stored() -> None:
    event = Event.objects.get()
    assert (event.event_id, event.source, event.type, event.door) == (
        "ce-1",
        "my-app",
        "prompt",
        "cloudevents",
    )
    assert (event.model, event.usage) == ("gpt-4o", {"output": "7"})
    assert event.properties == {"tokens": 12, "status": 200}


def test_one_in_structured_form(door) -> None:
    answer = door.post(CLOUD_EVENT, content_type="application/cloudevents+json; charset=utf-8")
    assert answer.json()["accepted"] == 1
    check_stored()


def test_several_in_a_batch(door) -> None:
    batch = [CLOUD_EVENT, CLOUD_EVENT | {"id": "ce-2", "specversion": "0.3"}]
    body = door.post(batch, content_type="application/cloudevents-batch+json").json()
    assert (body["accepted"], body["rejected"][0]["detail"][:22]) == (1, "events[1].specversion:")
    check_stored()


def test_one_in_binary_form(door) -> None:
    headers = {f"ce-{name}": CLOUD_EVENT[name] for name in ("specversion", "id", "source", "type", "subject")}
    assert door.post(json.dumps(CLOUD_EVENT["data"]), **headers).json()["accepted"] == 1
    check_stored()


def test_an_extension_attribute_becomes_a_property(door) -> None:
    door.post(CLOUD_EVENT | {"traceparent": "00-ab"}, content_type="application/cloudevents+json")
    assert Event.objects.get().properties["traceparent"] == "00-ab"


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("ce-x", "properties.x"),
        ("ce-id", "id"),
        ("ce-subject", "customer"),
        ("ce-time", "time"),
        ("ce-type", "type"),
    ],
)
@pytest.mark.parametrize("character", ["%00", "%07", "%7F", "%C2%80"])
def test_a_header_that_cannot_be_stored_is_refused_by_field(door, header, field, character) -> None:
    told = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-subject": "acme"}
    answer = door.post(b"{}", **told | {header: f"a{character}"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "2.0"}, "specversion"),
        ({"source": None}, "source"),
        ({"id": ""}, "id"),
        ({"subject": None}, "customer"),
        ({"data": [1]}, "data"),
        ({"data_base64": "AA=="}, "data_base64"),
        ({"data": {"usage": {"output": -1}}}, "usage.output"),
    ],
)
def test_a_wrong_one_is_refused_by_field(door, change, field) -> None:
    answer = door.post(CLOUD_EVENT | change, content_type="application/cloudevents+json")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
