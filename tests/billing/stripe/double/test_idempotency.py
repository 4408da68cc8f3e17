"""Idempotency keys: the same answer again, for 24 hours, across restarts."""

import threading

import pytest
import stripe

from billing.stripe.double import StripeDouble

KEY = {"idempotency_key": "bl:test:1"}


def test_the_same_key_gives_the_same_answer_and_one_object(client, double):
    first = client.customers.create({"name": "Acme"}, KEY)
    again = client.customers.create({"name": "Acme"}, KEY)

    assert again.to_dict() == first.to_dict()
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert again.last_response.headers["Original-Request"] == first.last_response.request_id
    assert len(double.objects("customer")) == 1
    assert [call.replayed for call in double.calls] == [False, True]


def test_the_same_key_with_other_parameters_is_an_error(client, double):
    client.customers.create({"name": "Acme"}, KEY)

    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        client.customers.create({"name": "Other"}, KEY)
    assert len(double.objects("customer")) == 1


def test_the_same_key_on_another_endpoint_is_an_error(client, customer):
    client.customers.create({"name": "Acme"}, KEY)

    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.invoices.create({"customer": customer.id}, KEY)


def test_after_24_hours_a_key_is_new_again_and_makes_a_second_object(client, double):
    client.customers.create({"name": "Acme"}, KEY)
    double.advance(24 * 3600 - 10)
    client.customers.create({"name": "Acme"}, KEY)
    assert len(double.objects("customer")) == 1

    double.advance(20)
    client.customers.create({"name": "Acme"}, KEY)
    assert len(double.objects("customer")) == 2


def test_a_refused_parameter_keeps_nothing_so_the_key_can_be_used_again(client):
    with pytest.raises(stripe.InvalidRequestError):
        client.customers.create({"nome": "Acme"}, KEY)

    assert client.customers.create({"name": "Acme"}, KEY).name == "Acme"


def test_a_refusal_that_came_from_executing_is_replayed(client, make_draft):
    invoice = make_draft(700)
    with pytest.raises(stripe.InvalidRequestError):
        client.invoices.void_invoice(invoice.id, {}, KEY)
    client.invoices.finalize_invoice(invoice.id)

    with pytest.raises(stripe.InvalidRequestError, match="draft"):
        client.invoices.void_invoice(invoice.id, {}, KEY)


def test_a_saved_500_comes_back_for_its_key_until_it_expires(client, double):
    double.faults.add("error_after_commit", path="/v1/customers")
    for _ in range(3):
        with pytest.raises(stripe.APIError) as failed:
            client.customers.create({"name": "Acme"}, KEY)
        assert failed.value.http_status == 500
        assert failed.value.headers["Stripe-Should-Retry"] == "false"
    assert len(double.objects("customer")) == 1

    double.advance(25 * 3600)
    client.customers.create({"name": "Acme"}, KEY)
    assert len(double.objects("customer")) == 2


def test_a_key_in_use_is_a_conflict(client, double):
    double.faults.add("latency", path="/v1/customers", seconds=30)
    waiting = threading.Thread(target=client.customers.create, args=({"name": "Acme"}, KEY))
    waiting.start()
    with double.announcer.wake:
        assert double.announcer.wake.wait_for(lambda: double.objects("customer") != [], 10)
    with pytest.raises(stripe.APIError) as refused:
        client.customers.create({"name": "Acme"}, KEY)
    assert refused.value.http_status == 409
    double.api.stopped.set()
    waiting.join(10)


def test_a_key_longer_than_255_characters_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        client.customers.create({"name": "Acme"}, {"idempotency_key": "k" * 256})


def test_state_keys_and_clock_survive_a_restart(connect, tmp_path):
    path = str(tmp_path / "stripe.sqlite")
    with StripeDouble(state=path) as double:
        first = connect(double).customers.create({"name": "Acme"}, KEY)
        later = double.advance(3600)

    with StripeDouble(state=path) as double:
        client = connect(double)
        assert client.customers.create({"name": "Acme"}, KEY).to_dict() == first.to_dict()
        assert client.customers.retrieve(first.id).name == "Acme"
        assert len(double.objects("customer")) == 1
        assert double.now >= later
