"""A running Burnline on the loopback, and a stand-in of models' providers."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from customers.api_keys import create_api_key
from customers.customers import create_customer
from tests.clients.provider import Provider


@dataclass(frozen=True)
class Burnline:
    """Where it runs, and a key that may send events for any customer; ``acme`` is one."""

    url: str
    key: str


@pytest.fixture
def burnline(live_server: Any) -> Burnline:
    now = datetime.now(UTC)
    create_customer(key="acme", name="Acme", now=now)
    return Burnline(live_server.url, create_api_key(name="client", scopes=["ingest"], now=now)[1])


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider_url(provider: Provider) -> str:
    """The address of a provider in OpenAI's shape."""
    return provider.url
