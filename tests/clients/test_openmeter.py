"""openmeter, unmodified."""

import pytest

from metering.models import Event

openmeter = pytest.importorskip("openmeter", reason="openmeter is not installed")
corehttp = pytest.importorskip("corehttp.exceptions")


@pytest.fixture
def client(burnline):
    with openmeter.Client(endpoint=burnline.url, token=burnline.key) as client:
        yield client


def event(id: str = "e1", **fields):
    plain = {
        "id": id,
        "source": "my-app",
        "specversion": "1.0",
        "type": "prompt",
        "subject": "acme",
        "data": {"tokens": 100, "model": "gpt-4o"},
    }
    return plain | fields


def test_an_event_is_ingested_once(client) -> None:
    for _ in range(2):
        client.events.ingest_event(event())
    stored = Event.objects.get()
    assert (stored.source, stored.model, stored.properties) == ("my-app", "gpt-4o", {"tokens": 100})


def test_a_batch_is_ingested(client) -> None:
    client.events.ingest_events([event("e1"), event("e2")])
    assert Event.objects.count() == 2


def test_events_in_plain_json_are_ingested(client) -> None:
    client.events.ingest_events_json([event("e1"), event("e2")])
    assert Event.objects.count() == 2


def test_a_refusal_arrives_as_the_clients_own_error(client) -> None:
    with pytest.raises(corehttp.HttpResponseError) as refused:
        client.events.ingest_event(event(subject=None))
    assert refused.value.status_code == 422
