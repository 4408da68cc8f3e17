"""Our own rater against the packaged source's: the same prices must give the same dollars, model by model."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from genai_prices.types import ClauseEquals, ClauseOr, ModelInfo, Provider

from pricing.price_book import cost_of_usage, known_model

pytestmark = pytest.mark.django_db

# A working day outside every window, after the last dated price that has begun.
AT = datetime(2026, 11, 10, 12, 30, tzinfo=UTC)
SHORT = {"input": Decimal(1200), "cache_read": Decimal(800), "output": Decimal(300)}
LONG = {"input": Decimal(500_000), "cache_read": Decimal(100_001), "output": Decimal(2_000)}

# Where we differ on purpose.
MOVED = {("mistral", "mistral-large-latest")}


def text_models() -> list[tuple[Provider, ModelInfo]]:
    return [
        (provider, model)
        for provider in providers
        for model in provider.models
        if {"input_mtok", "output_mtok"}
        <= {key for key, price in vars(model.get_prices(AT)).items() if price is not None}
        and "-tts" not in model.id
        and not model.id.startswith("gpt-image")
    ]


def by_the_source(provider: str, model: str, buckets: dict[str, Decimal], **context: str) -> Decimal:
    usage = Usage(
        input_tokens=int(buckets["input"] + buckets["cache_read"]),
        cache_read_tokens=int(buckets["cache_read"]),
        output_tokens=int(buckets["output"]),
    )
    priced = calc_price(
        usage, model, provider_id=provider, genai_request_timestamp=AT, price_context=context or None
    )
    return priced.total_price


def same(ours: Decimal, theirs: Decimal) -> bool:
    """Equal but for the source's own binary noise (a few of its prices are 0.18000000000000002)."""
    return abs(ours - theirs) < Decimal("1E-15") * max(theirs, Decimal("0.001"))


@pytest.mark.parametrize("buckets", [SHORT, LONG], ids=["short prompt", "long prompt"])
def test_every_text_model_costs_what_the_source_says(
    buckets: dict[str, Decimal], packaged_book: object
) -> None:
    models = text_models()
    differing = []
    for provider, model in models:
        if not model.is_match(model.id):
            continue
        ours = cost_of_usage(provider.id, model.id, buckets, at=AT)
        theirs = by_the_source(provider.id, model.id, buckets)
        if ours.unpriced or not same(ours.amount, theirs):
            differing.append((provider.id, model.id, ours.amount, theirs, ours.unpriced, ours.model))

    assert len(models) > 1500
    assert differing == []


@pytest.mark.parametrize(
    ("context", "when"),
    [
        ("batch", {"processing": "batch"}),
        ("flex", {"service_tier": "flex"}),
        ("priority", {"service_tier": "priority"}),
    ],
)
def test_every_context_costs_what_the_source_says(
    context: str, when: dict[str, str], packaged_book: object
) -> None:
    differing = []
    compared = 0
    for provider, model in text_models():
        sold = [v for v in model.price_variants or () if v.when == when]
        if not any(v.constraint is None or v.constraint.active(AT) for v in sold):
            continue
        if not model.is_match(model.id):
            continue
        compared += 1
        ours = cost_of_usage(provider.id, model.id, SHORT, context=context, at=AT)
        theirs = by_the_source(provider.id, model.id, SHORT, **when)
        published = (
            any("cache_read_mtok" in vars(v.prices) for v in sold) or model.get_prices(AT).cache_read_mtok
        )
        if published and (ours.unpriced or not same(ours.amount, theirs)):
            differing.append((provider.id, model.id, ours.amount, theirs, ours.unpriced))

    assert compared > 2
    assert differing == []


def test_every_exact_name_means_the_model_the_source_says(packaged_book: object) -> None:
    differing = []
    for provider in providers:
        for model in provider.models:
            clauses = model.match.or_ if isinstance(model.match, ClauseOr) else [model.match]
            for clause in clauses:
                if not isinstance(clause, ClauseEquals) or (provider.id, clause.equals) in MOVED:
                    continue
                theirs = provider.find_model(clause.equals)
                ours = cost_of_usage(provider.id, clause.equals, {}, at=AT).model
                if theirs is not None and vars(theirs.get_prices(AT)) and ours != theirs.id:
                    differing.append((provider.id, clause.equals, ours, theirs.id))

    assert differing == []


def test_no_packaged_name_is_unknown(packaged_book: object) -> None:
    assert [
        (provider.id, model.id)
        for provider, model in text_models()
        if not known_model(provider.id, model.id, AT)
    ] == []
