"""The daily reading of price lists: what is new comes in, what fails is noted, and nothing else waits for it."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment import Environment
from core.egress import DeliveryFailed, Reply
from pricing import price_sync
from pricing.models import PriceRow, PriceSnapshot, PriceSync
from pricing.price_book import book_changed, price_of
from pricing.price_imports import import_price_list
from pricing.price_sources.packaged import packaged_versions
from pricing.price_sources.quotes import PriceList, Quote
from pricing.price_sync import sync_prices

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 1, 4, 17, tzinfo=UTC)
URL = "https://prices.example/list.json"


@pytest.fixture(autouse=True)
def packaged_prices_are_known(db: None) -> None:
    """Ten thousand packaged rows would be read otherwise."""
    book_changed()
    for source, version in packaged_versions().items():
        import_price_list(PriceList(source, version, []), now=NOW)


def listing(price: str) -> Reply:
    told = {"provider": "acme-ai", "model": "m-1", "unit": "output", "price": price, "per": "1000000"}
    return Reply(200, json.dumps({"prices": [told]}).encode())


def test_a_list_is_read_and_waits_where_no_other_source_confirms_it():
    _, sync = sync_prices({"json": URL}, now=NOW, fetch=lambda url: listing("10"))

    assert (sync.source, sync.address, sync.read_at, sync.error) == ("json", URL, NOW, "")
    assert sync.snapshot.status == PriceSnapshot.Status.STAGED
    assert not PriceRow.objects.exists()


def test_what_the_packaged_prices_say_too_is_agreed_and_a_jump_waits():
    quote = Quote("acme-ai", "m-1", "output", Decimal("0.00001"))
    import_price_list(PriceList("genai-prices", "1", [quote]), now=NOW, accept_single_source=True)

    sync_prices({"json": URL}, now=NOW, fetch=lambda url: listing("10"))
    assert PriceRow.objects.order_by("-id")[0].layer == PriceRow.Layer.AGREED
    sync_prices({"json": URL}, now=NOW + timedelta(days=1), fetch=lambda url: listing("25"))

    assert PriceSync.objects.get(source="json").snapshot.status == PriceSnapshot.Status.STAGED
    assert price_of("acme-ai", "m-1", "output", at=NOW + timedelta(days=2)) == Decimal("0.00001")


def test_a_list_that_fails_is_noted_and_the_others_are_read():
    def fetch(url: str) -> Reply:
        if "openrouter" in url:
            raise DeliveryFailed("TimeoutError: the answer took too long")
        return listing("10")

    addresses = {"openrouter": "https://openrouter.example/models", "json": URL}
    _, failed, read = sync_prices(addresses, now=NOW, fetch=fetch)

    assert (failed.read_at, failed.error) == (None, "TimeoutError: the answer took too long")
    assert (read.read_at, read.error) == (NOW, "")
    later = NOW + timedelta(days=1)
    _, mended, _ = sync_prices(addresses, now=later, fetch=lambda url: Reply(200, b'{"data": []}'))
    assert (mended.read_at, mended.error) == (later, "")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(503, b""), "answered 503"),
        (Reply(200, b"\xff\xfe"), "not UTF-8"),
        (Reply(200, b"<html>"), "not JSON"),
    ],
)
def test_an_answer_that_is_no_price_list_says_so(reply, words):
    _, sync = sync_prices({"json": URL}, now=NOW, fetch=lambda url: reply)
    assert words in sync.error


def test_the_packaged_prices_are_read_when_their_version_is_new(monkeypatch: Any):
    calls = []
    monkeypatch.setattr(price_sync, "import_packaged_prices", lambda now: calls.append(now) or _result())
    sync_prices({}, now=NOW)
    assert calls == []
    monkeypatch.setattr(price_sync, "packaged_versions", lambda: {"genai-prices": "99.0"})
    (sync,) = sync_prices({}, now=NOW)
    assert (calls, sync.source, sync.error) == ([NOW], "genai-prices", "")


def _result() -> Any:
    return [type("Result", (), {"snapshot": PriceSnapshot.objects.first()})]


def test_private_addresses_are_not_read():
    _, sync = sync_prices({"json": "https://127.0.0.1/list.json"}, now=NOW)
    assert "private network" in sync.error


def test_the_setting_names_sources_and_addresses():
    read = Environment({"X": "json=https://a.example/p?q=1, csv=https://b.example/"})
    known = ("json", "csv")
    assert read.addresses("X", known) == {"json": "https://a.example/p?q=1", "csv": "https://b.example/"}
    for wrong in ("json", "json=http://a.example", "else=https://a.example", "csv=https://a,csv=https://b"):
        with pytest.raises(ImproperlyConfigured, match="write SOURCE=https"):
            Environment({"X": wrong}).addresses("X", known)
