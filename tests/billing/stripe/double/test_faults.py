"""Faults that are asked for, seen from the official library."""

import pytest
import stripe

KEY = {"idempotency_key": "bl:test:1"}


def names(double):
    return [customer["name"] for customer in double.objects("customer")]


def test_a_rate_limit_names_when_to_come_back_and_keeps_nothing(client, double):
    double.faults.add("rate_limited", path="/v1/customers", times=2, retry_after=7)
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError) as refused:
            client.customers.create({"name": "Acme"}, KEY)
        assert refused.value.headers["Retry-After"] == "7"
    assert names(double) == []

    client.customers.create({"name": "Acme"}, KEY)
    assert names(double) == ["Acme"]


def test_a_500_before_commit_leaves_nothing_and_the_key_free(client, double):
    double.faults.add("error_before_commit", path="/v1/customers")
    with pytest.raises(stripe.APIError):
        client.customers.create({"name": "Acme"}, KEY)
    assert (names(double), double.objects("event")) == ([], [])

    client.customers.create({"name": "Acme"}, KEY)
    assert names(double) == ["Acme"]


def test_a_saved_500_before_commit_spoils_the_key_though_nothing_was_made(client, double):
    double.faults.add("error_before_commit", path="/v1/customers", saved=True)
    for _ in range(2):
        with pytest.raises(stripe.APIError):
            client.customers.create({"name": "Acme"}, KEY)
    assert names(double) == []

    client.customers.create({"name": "Acme"}, {"idempotency_key": "bl:test:2"})
    assert names(double) == ["Acme"]


def test_a_500_after_commit_made_the_object_all_the_same(client, double):
    double.faults.add("error_after_commit", path="/v1/customers")
    with pytest.raises(stripe.APIError):
        client.customers.create({"name": "Acme"}, KEY)

    assert names(double) == ["Acme"]


def test_a_time_out_before_commit_did_nothing(client, double):
    double.faults.add("timeout_before_commit", path="/v1/customers")
    with pytest.raises(stripe.APIConnectionError):
        client.customers.create({"name": "Acme"}, KEY)
    assert names(double) == []
    assert double.calls[-1].status is None


def test_a_time_out_after_commit_did_it_and_the_same_key_gets_the_answer(client, double):
    double.faults.add("timeout_after_commit", path="/v1/customers")
    with pytest.raises(stripe.APIConnectionError):
        client.customers.create({"name": "Acme"}, KEY)
    assert names(double) == ["Acme"]

    assert client.customers.create({"name": "Acme"}, KEY).id == double.objects("customer")[0]["id"]
    assert names(double) == ["Acme"]


def test_the_librarys_own_retries_survive_a_lost_answer_without_a_second_object(double, connect):
    double.faults.add("timeout_after_commit", path="/v1/customers")
    client = connect(double, max_network_retries=2)

    assert client.customers.create({"name": "Acme"}).name == "Acme"
    assert names(double) == ["Acme"]


def test_latency_commits_first_and_answers_later(client, double):
    double.faults.add("latency", path="/v1/customers", seconds=0.05)

    assert client.customers.create({"name": "Acme"}).name == "Acme"


def test_a_fault_strikes_only_its_path_and_method(client, double, customer):
    double.faults.add("rate_limited", path="/v1/invoices/*/finalize", method="POST")
    invoice = client.invoices.create({"customer": customer.id})

    assert client.invoices.retrieve(invoice.id).id == invoice.id
    with pytest.raises(stripe.RateLimitError):
        client.invoices.finalize_invoice(invoice.id)
    assert client.invoices.finalize_invoice(invoice.id).status == "paid"
