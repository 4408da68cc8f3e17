import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from customers.api_keys import create_api_key
from customers.customers import create_customer
from customers.models import Customer

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@dataclass
class Door:
    """The public address for events, with one API key."""

    client: Client
    key: str

    def post(self, body: Any, query: str = "", **headers: str) -> Any:
        content_type = headers.pop("content_type", "application/json")
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        given = {"Authorization": f"Bearer {self.key}"} | headers
        return self.client.post(f"/v1/events{query}", data=data, content_type=content_type, headers=given)

    def get(self, query: str = "") -> Any:
        return self.client.get(f"/v1/events{query}", headers={"Authorization": f"Bearer {self.key}"})


@pytest.fixture
def acme(db: None) -> Customer:
    return create_customer(key="acme", name="Acme", now=NOW)


@pytest.fixture
def door(db: None, acme: Customer) -> Door:
    """An operator's door."""
    return Door(Client(), create_api_key(name="all", scopes=["ingest", "read"], now=NOW)[1])


@pytest.fixture
def acme_door(acme: Customer) -> Door:
    """A door that belongs to one customer."""
    return Door(Client(), create_api_key(name="acme", scopes=["ingest", "read"], customer=acme, now=NOW)[1])


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """An event as a client sends it; its time is left to the server."""

    def make(**fields: Any) -> dict[str, Any]:
        plain = {"id": "e1", "customer": "acme", "type": "llm.call", "usage": {"input": 5}}
        return plain | fields

    return make
