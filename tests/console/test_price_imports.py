"""The list of price imports, and how the daily readings went."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client

from core.clock import now as present
from pricing.models import PriceSync
from pricing.price_imports import import_price_list, refuse_staged
from pricing.price_sources.quotes import PriceList, Quote
from tests.console.test_pages import text_of

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 4, 17, tzinfo=UTC)
PATH = "/console/prices/imports"


def an_import(price: str, source: str = "csv") -> int:
    quotes = [Quote("openai", "gpt-5", "input", Decimal(price))]
    return import_price_list(
        PriceList(source, f"v{price}", quotes), now=present(), accept_single_source=True
    ).snapshot.id


def test_imports_are_listed_with_what_waits_and_lead_to_the_decision(operator: Client) -> None:
    an_import("0.000001")
    waiting = an_import("0.000009")

    assert f'href="{PATH}"' in text_of(operator, "/console/prices")
    assert f'href="{PATH}/{waiting}"' in text_of(operator, PATH)
    assert "v0.000001" not in text_of(operator, PATH, status="staged")
    refuse_staged(waiting, by="ops@example.com", now=present())
    assert "ops@example.com" in text_of(operator, PATH, status="refused", q="csv")
    assert "No import matches" in text_of(operator, PATH, q="nothing like it")


def test_a_list_that_could_not_be_read_is_told(operator: Client) -> None:
    PriceSync.objects.create(source="openrouter", tried_at=AT, error="The address answered 503, not 200.")
    PriceSync.objects.create(source="genai-prices", tried_at=AT, read_at=AT)
    page = text_of(operator, PATH)
    assert "The list of openrouter could not be read" in page
    assert "The address answered 503, not 200." in page
    assert "not read yet" in page


def test_decisions_are_confirmed(operator: Client) -> None:
    an_import("0.000001")
    page = text_of(operator, f"{PATH}/{an_import('0.000009')}")
    assert "<summary>Take the marked ones</summary>" in page
    assert "<summary>Refuse the marked ones</summary>" in page
