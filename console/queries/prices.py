"""The price book as the console shows it, and what no price could be found for."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from core.money import plain
from core.problems import NotFound
from pricing.models import PriceRow, PriceSnapshot

MODELS_MAX = 100
STAGED_MAX = 500
REASONS = {
    "jump": "more than doubled, or fell below half",
    "implausible": "out of proportion to the model's other prices",
    "disagrees": "two sources disagree",
    "single_source": "one source alone says so",
    "changes_the_past": "would change a past that has been reported",
    "moved": "the name now means another model",
}


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
        rows = rows.filter(
            Q(model__icontains=words) | Q(provider__icontains=words) | Q(unit=words.replace(" ", "_"))
        )
    if provider:
        rows = rows.filter(provider=provider)
    if layer in map(str, PriceRow.Layer.values):
        rows = rows.filter(layer=layer)
    if not past:
        rows = rows.filter(Q(effective_to=None) | Q(effective_to__gt=at))
    return rows


def providers() -> list[str]:
    return list(PriceRow.objects.order_by("provider").values_list("provider", flat=True).distinct())


def staged_snapshots() -> list[PriceSnapshot]:
    """Imports that wait for a person."""
    rows = PriceSnapshot.objects.filter(status=PriceSnapshot.Status.STAGED)
    return list(rows.defer("content", "diff").order_by("-taken_at", "id"))


@dataclass(frozen=True)
class StagedItem:
    """One price, or one model's name, that waits for a person. ``position`` is its place in the import."""

    position: int
    provider: str
    what: str
    unit: str
    was: Decimal | None
    price: Decimal | None
    reason: str

    @property
    def mark(self) -> str:
        """What a form sends for it: after somebody else's decision the same position is another price."""
        price = "" if self.price is None else plain(self.price)
        return "|".join([str(self.position), self.provider, self.what, self.unit, price])


def staged_items(snapshot_id: int) -> tuple[PriceSnapshot, list[StagedItem]]:
    """An import and what of it waits, in its own order. Raises ``NotFound``."""
    snapshot = PriceSnapshot.objects.filter(id=snapshot_id).defer("content").first()
    if snapshot is None:
        raise NotFound("There is no such import.")
    waiting = snapshot.diff.get("staged", [])
    return snapshot, [_staged_item(position, item) for position, item in enumerate(waiting)]


def _staged_item(position: int, item: dict[str, Any]) -> StagedItem:
    reason = REASONS.get(str(item.get("reason")), str(item.get("reason", "")).replace("_", " "))
    name = item.get("name")
    if name is not None:
        meaning = f"{name.get('pattern', '')} → {name.get('model', '')}"
        return StagedItem(position, str(name.get("provider", "")), meaning, "name", None, None, reason)
    return StagedItem(
        position,
        str(item.get("provider", "")),
        str(item.get("model", "")),
        str(item.get("unit", "")),
        Decimal(item["was"]) if item.get("was") is not None else None,
        Decimal(str(item["price"])) if item.get("price") is not None else None,
        reason,
    )


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


def unpriced_model(provider: str, model: str) -> UnpricedModel | None:
    """One of them; None where no event of the model waits."""
    return next((row for row in unpriced_models() if (row.provider, row.model) == (provider, model)), None)


def unpriced_count(limit: int = 10_000) -> int:
    """How many events wait for a price, counted up to ``limit``."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM metering_event WHERE unpriced LIMIT %s) u", [limit]
        )
        return int(cursor.fetchone()[0])
