"""What the prices that come with Burnline say, on points where a source alone would mislead."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import version

import pytest

from pricing.models import PriceRow, PriceSnapshot
from pricing.price_book import cost_of_usage, price_of
from pricing.price_sources.packaged import import_packaged_prices

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def test_every_row_comes_from_a_kept_snapshot_with_its_fingerprint(
    packaged_book: list[PriceSnapshot],
) -> None:
    packaged, corrections = packaged_book

    assert (packaged.source, packaged.version, packaged.status) == (
        "genai-prices",
        version("genai-prices"),
        "applied",
    )
    assert len(packaged.sha256) == 64 and corrections.source == "burnline"
    assert packaged.rows.count() == len(packaged.content["prices"]) == packaged.diff["counts"]["new"]
    assert PriceRow.objects.exclude(price__gte=0).count() == 0


def test_bringing_them_in_again_changes_nothing(packaged_book: list[PriceSnapshot]) -> None:
    rows = PriceRow.objects.count()
    again = import_packaged_prices(now=NOW + timedelta(days=1))

    assert [result.repeated for result in again] == [True, True]
    assert [result.snapshot for result in again] == packaged_book
    assert PriceRow.objects.count() == rows


def test_providers_and_models_are_found_however_they_are_written(packaged_book: object) -> None:
    usage = {"input": Decimal(1_000_000)}
    for provider, model in [
        ("OpenAI", "GPT-5"),
        ("azure", "gpt-5-2025-08-07"),
        ("azure_openai", "gpt-5"),
    ]:
        assert cost_of_usage(provider, model, usage, at=NOW).amount == Decimal("1.25")
    resold = cost_of_usage("azure_ai", "claude-sonnet-4-5@20250929", usage, at=NOW)
    assert (resold.provider, resold.model) == ("anthropic", "claude-sonnet-4-5")


def test_a_moving_name_costs_what_its_model_of_the_time_costs(packaged_book: object) -> None:
    before, after = datetime(2025, 11, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    assert price_of("mistral", "mistral-large-latest", "input", at=before) == Decimal("0.000002")
    assert price_of("mistral", "mistral-large-latest", "input", at=after) == Decimal("0.0000005")


def test_sound_without_a_rate_of_its_own_is_unpriced(packaged_book: object) -> None:
    cost = cost_of_usage("openai", "gpt-5", {"input": Decimal(5), "input_audio": Decimal(9)}, at=NOW)

    assert cost.unpriced == ("input_audio",)
    assert cost.amount == Decimal("0.00000625")


def test_peak_hours_are_dated_and_on_working_days_only(packaged_book: object) -> None:
    def price(at: datetime) -> Decimal | None:
        return price_of("deepseek", "deepseek-v4-flash", "output", at=at)

    tuesday = datetime(2026, 11, 3, 2, tzinfo=UTC)
    assert price(tuesday) == Decimal("0.0000012")
    assert price(tuesday + timedelta(hours=2)) == Decimal("0.0000006")
    assert price(tuesday + timedelta(days=5)) == Decimal("0.0000006")
    assert price(datetime(2026, 9, 9, 2, tzinfo=UTC)) == Decimal("0.00000066")


def test_a_batch_halves_every_cache_lifetime_too(packaged_book: object) -> None:
    usage = {
        bucket: Decimal(n)
        for bucket, n in [
            ("input", 2048),
            ("cache_read", 1800),
            ("cache_write_5m", 148),
            ("cache_write_1h", 100),
            ("output", 503),
        ]
    }

    assert cost_of_usage("anthropic", "claude-sonnet-4-5", usage, at=NOW).amount == Decimal("0.015384")
    assert cost_of_usage("anthropic", "claude-sonnet-4-5", usage, at=NOW, context="batch").amount == Decimal(
        "0.007692"
    )
