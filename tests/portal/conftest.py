from datetime import UTC, datetime

import pytest
from django.test import Client

from customers.portal_links import create_portal_link
from tests.portal.world import Company, a_company, terms


@pytest.fixture(scope="module")
def world(made_for_the_module: None) -> tuple[Company, Company]:
    """Two customers of one operator."""
    version, now = terms(), datetime.now(UTC)
    return a_company(version, "acme", now=now), a_company(version, "globex", now=now, drafts=True)


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
