"""A customer is made and changed by forms, with the API's own reading of every field."""

import pytest
from django.test import Client

from customers.models import Customer
from tests.portal.world import Company, a_member

NEW = {
    "key": "nova",
    "name": "Nova",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "tax_rate": "0.19",
    "once": "n",
}


def test_a_form_makes_a_customer_once_and_leads_to_it(operator: Client) -> None:
    answers = [operator.post("/console/new-customer", NEW) for _ in range(2)]
    made = Customer.objects.get(key="nova")
    assert {answer["Location"] for answer in answers} == {f"/console/customers/{made.id}"}
    assert (made.currency, made.timezone, str(made.tax_rate.normalize())) == ("EUR", "Europe/Berlin", "0.19")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"key": ""}, "key"),
        ({"name": ""}, "name"),
        ({"currency": "euros"}, "currency"),
        ({"timezone": "Mars"}, "timezone"),
        ({"tax_rate": "19"}, "tax_rate"),
        ({"email": "nobody"}, "email"),
    ],
)
def test_what_is_wrong_stands_beside_its_field(operator: Client, wrong: dict[str, str], said: str) -> None:
    answer = operator.post("/console/new-customer", NEW | wrong)
    page = answer.content.decode()
    assert answer.status_code == 422 and f'id="in-{said.replace("_", "-")}-wrong"' in page
    assert 'value="0.19"' in page or said == "tax_rate", "what was written stays"


def test_a_key_that_is_taken_is_said(operator: Client, acme: Company) -> None:
    answer = operator.post("/console/new-customer", NEW | {"key": "acme"})
    assert answer.status_code == 422 and "already" in answer.content.decode()


def test_details_are_changed_and_what_is_emptied_is_taken_away(operator: Client, acme: Company) -> None:
    path = f"/console/customers/{acme.customer.id}/details"
    page = operator.get(path).content.decode()
    assert 'value="0.19"' in page and 'value="VAT"' in page and 'name="key"' not in page
    form = {
        "name": "Acme Two",
        "email": "pay@acme.example",
        "timezone": "Asia/Tokyo",
        "tax_name": "",
        "once": "c",
    }
    assert operator.post(path, form)["Location"] == f"/console/customers/{acme.customer.id}"
    acme.customer.refresh_from_db()
    assert (acme.customer.name, acme.customer.email) == ("Acme Two", "pay@acme.example")
    assert acme.customer.next_timezone == "Asia/Tokyo" and acme.customer.timezone == "Europe/Berlin"
    assert acme.customer.tax_rate == 0 and acme.customer.tax_name == ""
    answer = operator.post(path, form | {"name": "", "once": "d"})
    assert answer.status_code == 422 and 'id="in-name-wrong"' in answer.content.decode()


def test_only_operators_come_in_and_nobody_is_not_there(
    operator: Client, acme: Company, client: Client
) -> None:
    assert operator.get("/console/customers/999999/details").status_code == 404
    client.force_login(a_member(acme, "ann@acme.example"))
    for path in ("/console/new-customer", f"/console/customers/{acme.customer.id}/details"):
        assert client.get(path).status_code == 403 and client.post(path, NEW).status_code == 403
    assert not Customer.objects.filter(key="nova").exists()
