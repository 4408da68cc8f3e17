from datetime import UTC, datetime, timedelta

import pytest

from core.problems import NotFound
from customers.customers import create_customer
from customers.models import Customer
from customers.portal_links import create_portal_link, customer_of_token, cut_off_portal_links

NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


@pytest.fixture
def acme(db: None) -> Customer:
    return create_customer(key="acme", name="Acme", now=NOW)


def token_for(customer: Customer, seconds: int = 3600) -> str:
    url = create_portal_link(customer, now=NOW, base_url="https://billing.example/", seconds=seconds).url
    assert url.startswith("https://billing.example/portal/enter/")
    return url.rsplit("/", 1)[1]


def test_a_link_opens_its_customer_until_it_expires(acme: Customer) -> None:
    token = token_for(acme)
    customer, expires_at = customer_of_token(token, now=NOW + timedelta(seconds=3599))
    assert (customer, expires_at) == (acme, NOW + timedelta(hours=1))
    with pytest.raises(NotFound):
        customer_of_token(token, now=NOW + timedelta(hours=1))


def test_a_changed_token_opens_nothing(acme: Customer) -> None:
    token = token_for(acme)
    for wrong in ("", "x", token[:-1], token[1:], token.swapcase(), token + "a", "\x00", "é:b:c"):
        with pytest.raises(NotFound):
            customer_of_token(wrong, now=NOW)


def test_links_are_cut_off_together(acme: Customer) -> None:
    before = token_for(acme)
    cut_off_portal_links(acme)
    with pytest.raises(NotFound):
        customer_of_token(before, now=NOW)
    assert customer_of_token(token_for(acme), now=NOW)[0] == acme
