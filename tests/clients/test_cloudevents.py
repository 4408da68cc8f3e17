"""The CloudEvents SDK, unmodified, over plain HTTP to /v1/events."""

import json

import pytest

from metering.models import Event

http = pytest.importorskip("cloudevents.http", reason="cloudevents is not installed")
conversion = pytest.importorskip("cloudevents.conversion")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

ATTRIBUTES = {"id": "ce-1", "source": "my-app", "type": "llm.call", "subject": "acme"}
DATA = {"model": "gpt-4o", "usage": {"input": 5}, "feature": "café"}


@pytest.fixture
def send(burnline):
    def post(headers, body):
        given = {"Authorization": f"Bearer {burnline.key}"} | dict(headers)
        return httpx.post(f"{burnline.url}/v1/events", headers=given, content=body)

    return post


@pytest.mark.parametrize("write", [conversion.to_structured, conversion.to_binary])
def test_one_event_in_either_form(send, write) -> None:
    assert send(*write(http.CloudEvent(ATTRIBUTES, DATA))).json()["accepted"] == 1
    stored = Event.objects.get()
    assert (stored.event_id, stored.source, stored.model) == ("ce-1", "my-app", "gpt-4o")
    assert (stored.usage, stored.properties["feature"]) == ({"input": "5"}, "café")


def test_the_same_event_in_both_forms_counts_once(send) -> None:
    event = http.CloudEvent(ATTRIBUTES, DATA)
    send(*conversion.to_structured(event))
    assert send(*conversion.to_binary(event)).json()["duplicates"] == 1


def test_a_batch(send) -> None:
    events = [
        json.loads(conversion.to_structured(http.CloudEvent(ATTRIBUTES | {"id": name}, DATA))[1])
        for name in "ab"
    ]
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    assert send(headers, json.dumps(events)).json()["accepted"] == 2
