"""lago-python-client, unmodified."""

import pytest

from metering.models import Event

lago = pytest.importorskip("lago_python_client", reason="lago-python-client is not installed")
exceptions = pytest.importorskip("lago_python_client.exceptions")
models = pytest.importorskip("lago_python_client.models")


@pytest.fixture
def client(burnline):
    return lago.Client(api_key=burnline.key, api_url=burnline.url)


def event(transaction_id: str = "t1", **fields):
    plain = {
        "transaction_id": transaction_id,
        "external_subscription_id": "acme",
        "code": "api_calls",
        "timestamp": None,
        "precise_total_amount_cents": None,
        "properties": {"region": "eu", "gb": 1.5},
    }
    return models.Event(**(plain | fields))


def test_an_event_is_created_once(client) -> None:
    for _ in range(2):
        told = client.events.create(event())
        assert (told.transaction_id, told.code, told.external_subscription_id) == ("t1", "api_calls", "acme")
    assert Event.objects.get().properties == {"region": "eu", "gb": "1.5"}


def test_a_batch_is_created(client) -> None:
    client.events.batch_create(models.BatchEvent(events=[event("t1"), event("t2")]))
    assert Event.objects.count() == 2


def test_a_refusal_arrives_as_the_clients_own_error(client) -> None:
    with pytest.raises(exceptions.LagoApiError) as refused:
        client.events.create(event(code=""))
    assert refused.value.status_code == 422
    assert refused.value.response["error_details"] == {"code": ["value_is_mandatory"]}
