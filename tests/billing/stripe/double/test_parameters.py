"""What a call may carry: what the official library's own types know, and no more."""

import pytest
import stripe

from billing.stripe.double.parameters import fields_of, parameters_of
from billing.stripe.double.routes import ROUTES
from billing.stripe.double.shapes import WITHHELD, bare, field_names


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_every_route_reads_its_parameters_from_the_library(route):
    assert ("expand" in fields_of(parameters_of(route.parameters))) == (route.method != "DELETE")


def refusal(call, *args):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        call(*args)
    return refused.value.code, refused.value.param


def test_unknown_names_are_refused_at_any_depth(client, customer, make_draft):
    create, add = client.invoices.create, client.invoices.add_lines
    invoice = make_draft()

    assert refusal(create, {"customer": customer.id, "subscripton": "x"}) == (
        "parameter_unknown",
        "subscripton",
    )
    assert refusal(add, invoice.id, {"lines": [{"amount": 1}, {"amout": 1}]}) == (
        "parameter_unknown",
        "lines[1][amout]",
    )


def test_missing_and_mistyped_values_name_their_parameter(client, customer, make_draft):
    invoice = make_draft()
    add = client.invoices.add_lines

    assert refusal(add, invoice.id, {}) == ("parameter_missing", "lines")
    assert refusal(add, invoice.id, {"lines": [{"amount": "1.5"}]}) == (
        "parameter_invalid_integer",
        "lines[0][amount]",
    )
    assert refusal(add, invoice.id, {"lines": [{"amount": ""}]}) == (
        "parameter_invalid_empty",
        "lines[0][amount]",
    )
    assert (
        refusal(client.invoices.update, invoice.id, {"collection_method": "by_hand"})[1]
        == "collection_method"
    )
    assert refusal(client.invoices.list, {"limit": 101}) == ("parameter_invalid_integer", "limit")


def test_what_stripe_knows_and_the_double_does_not_carry_is_refused_by_name(client, customer):
    terms = {"customer": customer.id, "discounts": [{"coupon": "x"}]}

    assert refusal(client.invoices.create, terms) == ("double_not_carried", "discounts")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({str(n): "x" for n in range(51)}, "up to 50 keys"),
        ({"k" * 41: "x"}, "at most 40 characters"),
        ({"k": "x" * 501}, "up to 500 characters"),
    ],
)
def test_metadata_beyond_the_limits_is_refused(client, metadata, message):
    with pytest.raises(stripe.InvalidRequestError, match=message):
        client.customers.create({"metadata": metadata})


def test_metadata_merges_and_an_empty_value_removes_its_key(client):
    customer = client.customers.create({"metadata": {"a": "1", "b": "2"}})

    assert client.customers.update(customer.id, {"metadata": {"a": "", "c": "3"}}).metadata.to_dict() == {
        "b": "2",
        "c": "3",
    }
    assert client.customers.update(customer.id, {"metadata": ""}).metadata.to_dict() == {}


def test_a_live_key_is_turned_away(double):
    client = stripe.StripeClient("sk_live_1", base_addresses={"api": double.url}).v1
    with pytest.raises(stripe.AuthenticationError, match="test keys"):
        client.customers.list()


def test_another_api_version_is_turned_away(double):
    options = {"stripe_version": "2020-08-27"}
    client = stripe.StripeClient("sk_test_1", base_addresses={"api": double.url}, **options).v1
    with pytest.raises(stripe.InvalidRequestError, match="speaks"):
        client.customers.list()


def test_an_unknown_address_is_404(client, double):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.subscriptions.list()
    assert refused.value.http_status == 404


def test_every_event_that_is_announced_is_one_that_the_library_knows(client, double, make_open, customer):
    client.credit_notes.void_credit_note(
        client.credit_notes.create({"invoice": make_open(700).id, "amount": 5}).id
    )
    known = client.webhook_endpoints.create
    for kind in {event["type"] for event in double.objects("event")}:
        known({"url": "http://127.0.0.1:9/", "enabled_events": [kind]})


def test_an_answer_has_the_fields_that_the_library_declares(client, customer, make_open):
    invoice = make_open(700)
    note = client.credit_notes.create({"invoice": invoice.id, "amount": 5})
    item = client.invoice_items.list({"invoice": invoice.id}).data[0]
    for answer in (customer, invoice, invoice.lines.data[0], note, item):
        declared = set(field_names(type(answer)))
        assert answer.to_dict().keys() <= declared
        hints = type(answer).__annotations__.items()
        needed = {name for name, hint in hints if "Optional" not in str(hint) and "NoneType" not in str(hint)}
        present = {name for name, value in answer.to_dict().items() if value is not None}
        assert (needed & declared) - present == set()


def test_a_bare_object_is_null_but_for_what_is_filled():
    event = bare(stripe.Event, id="evt_1")

    assert (event["id"], event["livemode"], event["type"]) == ("evt_1", False, None)
    assert not WITHHELD & event.keys()
