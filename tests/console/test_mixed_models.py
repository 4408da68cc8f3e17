"""A response that two models answered, on the page of its event."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from django.test import Client

from core.clock import now as present
from metering.models import Event
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote
from tests.console.test_pages import text_of
from tests.portal.world import Company

USAGE = {
    "input_tokens": 400,
    "output_tokens": 500,
    "iterations": [
        {"type": "message", "input_tokens": 400, "output_tokens": 500},
        {"type": "advisor_message", "model": "two", "input_tokens": 800, "output_tokens": 100},
    ],
}


def set_prices(*models: tuple[str, str]) -> None:
    quotes = [
        Quote("anthropic", model, unit, Decimal(price))
        for model, price in models
        for unit in ("input", "output")
    ]
    since = present() - timedelta(days=9)
    set_operator_prices([replace(one, starts=since) for one in quotes], by="ops", now=present())


def told(operator_api: object, acme: Company) -> Event:
    body = {
        "id": "advised",
        "source": "api",
        "customer": acme.customer.key,
        "type": "llm.call",
        "provider": "anthropic",
        "api": "messages",
        "response": {"model": "one", "usage": USAGE},
    }
    assert operator_api.post("/v1/events", body).status_code == 200  # type: ignore[attr-defined]
    return Event.objects.get(event_id="advised")


def test_it_says_what_each_model_did_and_what_that_costs(
    operator: Client, operator_api: object, acme: Company
) -> None:
    set_prices(("one", "0.001"), ("two", "0.01"))
    event = told(operator_api, acme)
    assert event.unpriced
    page = text_of(operator, f"/console/events/{acme.customer.id}/{event.seq}")
    assert "2 models answered this call." in page
    # 900 × 0.001 by the one, 900 × 0.01 by the other.
    assert "it cost $9.90" in " ".join(page.split()).replace("<strong>", "").replace("</strong>", "")
    assert "input 800, output 100" in page
    assert "Part of this event has no price." not in page


def test_what_the_other_model_costs_may_not_be_known(
    operator: Client, operator_api: object, acme: Company
) -> None:
    set_prices(("one", "0.001"))
    event = told(operator_api, acme)
    page = text_of(operator, f"/console/events/{acme.customer.id}/{event.seq}")
    assert "it cost at least" in " ".join(page.split())
    assert "no price for input, output" in page
