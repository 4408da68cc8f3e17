"""The price book as the console shows it, and what no price could be found for."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Q, QuerySet

from pricing.models import PriceRow, PriceSnapshot

MODELS_MAX = 100


@dataclass(frozen=True)
class UnpricedModel:
    """A model whose events wait for a price: how many, for how many customers, since when."""

    provider: str
    model: str
    events: int
    customers: int
    first_at: datetime
    last_at: datetime
    buckets: tuple[str, ...]


def price_rows(words: str, provider: str, layer: str, at: datetime, past: bool) -> QuerySet[PriceRow]:
    """Rows of the price book; without ``past`` only those that hold at ``at`` or will."""
    # A snapshot holds a whole price list; a row shows its name.
    rows = PriceRow.objects.select_related("snapshot").defer("snapshot__content", "snapshot__diff")
    if words:
        rows = rows.filter(Q(model__icontains=words) | Q(provider__icontains=words) | Q(unit=words))
    if provider:
        rows = rows.filter(provider=provider)
    if layer.isdigit():
        rows = rows.filter(layer=int(layer))
    if not past:
        rows = rows.filter(Q(effective_to=None) | Q(effective_to__gt=at))
    return rows


def providers() -> list[str]:
    return list(PriceRow.objects.order_by("provider").values_list("provider", flat=True).distinct())


def staged_snapshots() -> list[PriceSnapshot]:
    """Imports that wait for a person."""
    rows = PriceSnapshot.objects.filter(status=PriceSnapshot.Status.STAGED)
    return list(rows.defer("content", "diff").order_by("-taken_at", "id"))


def unpriced_models() -> list[UnpricedModel]:
    """What to price first: the models with the most waiting events."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT provider, model, count(*), count(DISTINCT customer_id), min(occurred_at), max(occurred_at),
                   (SELECT array_agg(DISTINCT key ORDER BY key) FROM (
                        SELECT jsonb_object_keys(usage) AS key FROM metering_event u
                        WHERE u.unpriced AND u.provider = e.provider AND u.model = e.model LIMIT 500) k)
            FROM metering_event e WHERE unpriced
            GROUP BY provider, model ORDER BY count(*) DESC, provider, model LIMIT %s
            """,
            [MODELS_MAX],
        )
        return [
            UnpricedModel(provider, model, events, customers, first_at, last_at, tuple(buckets or ()))
            for provider, model, events, customers, first_at, last_at, buckets in cursor.fetchall()
        ]


def unpriced_count(limit: int = 10_000) -> int:
    """How many events wait for a price, counted up to ``limit``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM metering_event WHERE unpriced LIMIT %s) u", [limit]
        )
        return int(cursor.fetchone()[0])
