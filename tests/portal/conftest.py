from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from customers.portal_links import create_portal_link
from metering.customer_lookup import forget_customers
from tests.conftest import forget_what_is_remembered
from tests.portal.world import Company, a_company, terms


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[Company, Company]]:
    """Two customers of one operator, made once a module: each test's own transaction lies within this one."""
    with django_db_blocker.unblock():
        forget_what_is_remembered()  # a module's world is made before its first test forgets
        whole = transaction.atomic()
        whole._from_testcase = True  # type: ignore[attr-defined]
        with whole:
            forget_customers()  # ids of another module's customers of these names
            version, now = terms(), datetime.now(UTC)
            yield a_company(version, "acme", now=now), a_company(version, "globex", now=now, drafts=True)
            transaction.set_rollback(True)


@pytest.fixture
def companies(world: tuple[Company, Company], db: None) -> tuple[Company, Company]:
    """Each must see nothing of the other."""
    for company in world:
        company.customer.refresh_from_db()
    return world


@pytest.fixture
def acme(companies: tuple[Company, Company]) -> Company:
    return companies[0]


@pytest.fixture
def globex(companies: tuple[Company, Company]) -> Company:
    """Its invoices are drafts yet."""
    return companies[1]


@pytest.fixture
def visitor(acme: Company) -> Client:
    """A browser that came by Acme's portal link."""
    return visitor_of(acme)


def visitor_of(company: Company) -> Client:
    client = Client()
    link = create_portal_link(company.customer, now=company.now, base_url="http://testserver")
    assert client.get(link.url).status_code == 302
    return client
