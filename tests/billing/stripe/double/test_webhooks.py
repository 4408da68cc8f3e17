"""Webhooks: signed, and on demand late, twice, out of order or never."""

from collections.abc import Iterator

import pytest
import stripe

from billing.stripe.double import StripeDouble


@pytest.fixture
def double(listener) -> Iterator[StripeDouble]:
    with StripeDouble(
        webhook_url=listener.url, webhook_secret="whsec_test", retry_delays_seconds=(60, 60)
    ) as running:
        yield running


def make(client, *customers):
    for name in customers:
        client.customers.create({"name": name})


def heard(double, listener):
    double.settle()
    return [event.data.object.name for event in listener.events()]


def test_events_come_in_order_with_a_signature_that_the_library_accepts(client, double, listener):
    make(client, "a", "b", "c")

    assert heard(double, listener) == ["a", "b", "c"]
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*listener.received[0], "whsec_wrong")


def test_a_late_event_comes_when_the_clock_says_so(client, double, listener):
    double.deliver("late", count=1, seconds=3600)
    make(client, "a", "b")
    assert heard(double, listener) == ["b"]

    double.advance(3600)
    assert heard(double, listener) == ["b", "a"]


def test_an_event_sent_twice_keeps_its_id(client, double, listener):
    double.deliver("twice", count=1)
    make(client, "a", "b")

    assert heard(double, listener) == ["a", "a", "b"]
    assert len({event.id for event in listener.events()}) == 2


def test_twins_are_two_events_for_one_change(client, double, listener):
    double.deliver("twin", count=1)
    make(client, "a")

    assert heard(double, listener) == ["a", "a"]
    assert len({event.id for event in listener.events()}) == 2


def test_held_events_go_out_last_first(client, double, listener):
    double.deliver("out_of_order", count=3)
    make(client, "a", "b")
    assert heard(double, listener) == []

    make(client, "c", "d")
    assert heard(double, listener) == ["c", "b", "a", "d"]


def test_held_events_go_out_in_the_order_that_is_asked_for(client, double, listener):
    double.deliver("out_of_order")
    make(client, "a", "b", "c")
    ids = {event["data"]["object"]["name"]: event["id"] for event in double.objects("event")}

    double.release([ids["b"], ids["c"], ids["a"]])
    assert heard(double, listener) == ["b", "c", "a"]


def test_an_event_that_is_never_sent_can_still_be_read_and_resent(client, double, listener):
    double.deliver("never", count=1)
    make(client, "a", "b")
    assert heard(double, listener) == ["b"]

    missed = client.events.list({"type": "customer.created"}).data[-1]
    assert missed.data.object.name == "a"
    double.resend(missed.id)
    assert heard(double, listener) == ["b", "a"]


def test_a_failed_delivery_is_tried_again_by_the_clock_and_then_given_up(client, double, listener):
    listener.statuses = [500, 503, 500]
    make(client, "a")
    for tries in (1, 2, 3):
        assert heard(double, listener) == ["a"] * tries
        double.advance(60)
    assert heard(double, listener) == ["a"] * 3
    assert [row["state"] for row in double.announcer.snapshot()["deliveries"]] == ["failed"]


def test_an_endpoint_made_by_the_api_hears_only_what_it_asked_for(client, connect, listener):
    with StripeDouble() as quiet:
        client = connect(quiet)
        endpoint = client.webhook_endpoints.create(
            {"url": listener.url, "enabled_events": ["customer.deleted"]}
        )
        customer = client.customers.create({"name": "a"})
        client.customers.delete(customer.id)
        quiet.settle()

        (body, signature), *others = listener.received
        assert others == []
        assert stripe.Webhook.construct_event(body, signature, endpoint.secret).type == "customer.deleted"
        assert client.webhook_endpoints.retrieve(endpoint.id).secret is None


def test_an_update_tells_what_it_was_before(client, double):
    customer = client.customers.create({"name": "a"})
    client.customers.update(customer.id, {"name": "b"})
    client.customers.update(customer.id, {"name": "b"})

    *_, last = double.objects("event")
    assert (last["type"], last["data"]["previous_attributes"]) == ("customer.updated", {"name": "a"})
    assert len(double.objects("event")) == 2


def test_waiting_webhooks_survive_a_restart(connect, listener, tmp_path):
    path = str(tmp_path / "stripe.sqlite")
    terms = {"state": path, "webhook_url": listener.url, "webhook_secret": "whsec_test"}
    with StripeDouble(**terms) as double:
        double.deliver("late", seconds=3600)
        make(connect(double), "a")

    with StripeDouble(**terms) as double:
        double.advance(3600)
        assert heard(double, listener) == ["a"]
        assert len(double.objects("webhook_endpoint")) == 1
