from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from customers.models import User
from tests.portal.conftest import companies as companies
from tests.portal.conftest import world as world
from tests.portal.world import Company


@pytest.fixture
def acme(companies: tuple[Company, Company]) -> Company:
    return companies[0]


@pytest.fixture
def globex(companies: tuple[Company, Company]) -> Company:
    """Its invoices are drafts yet."""
    return companies[1]


@pytest.fixture
def operator(companies: Any) -> Iterator[Client]:
    client = Client()
    client.force_login(User.objects.create_superuser("ops@example.com", "a long enough password"))
    yield client
