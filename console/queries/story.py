"""One event from its arrival to the invoice line, and what has changed about it since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q

from billing.models import CreditDraw, CreditGrant, ReRatingStep
from billing.receipts.receipt import Receipt, receipt_of
from billing.subscriptions.terms import stretches_of
from console.queries.mixed_models import MixedModels, mixed_models
from core.problems import NotFound
from customers.models import Customer
from metering.formats.usage_steps import DisjointStep, disjoint_steps
from metering.meters import why_not_counted
from metering.models import Event, EventConflict, Meter, RejectedEvent, UnmatchedEvent
from metering.stored_event import StoredEvent
from pricing.models import PriceRow
from pricing.price_units import is_token

METERS_MAX = 100
DRAWS_MAX = 200
OTHERS_MAX = 20


@dataclass(frozen=True)
class UsedPrice:
    """The price row of one kind of usage, with what it says of itself."""

    row: PriceRow
    source: str


@dataclass(frozen=True)
class MeterVerdict:
    """Whether a meter counts the event; ``why`` says what keeps it out, empty where it counts."""

    meter: Meter
    why: str
    charges: tuple[str, ...]

    @property
    def counts(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class DrawStep:
    """Credits drawn, or taken back below zero, at a moment."""

    draw: CreditDraw
    grant: str


@dataclass(frozen=True)
class Story:
    """Everything the page of one event tells."""

    event: Event
    customer: Customer
    receipt: Receipt
    asked_as: UnmatchedEvent | None
    refused_before: tuple[RejectedEvent, ...]
    conflicts: tuple[EventConflict, ...]
    reported: tuple[tuple[str, str], ...]
    flags: tuple[str, ...]
    prices: Mapping[int, UsedPrice]
    meters: tuple[MeterVerdict, ...]
    draws: tuple[DrawStep, ...]
    re_ratings: tuple[ReRatingStep, ...]
    steps: tuple[DisjointStep, ...]
    tokens_together: Decimal | None
    mixed: MixedModels | None

    @property
    def redrawn(self) -> bool:
        """Whether draws were taken back and made anew."""
        return any(step.draw.credits < 0 for step in self.draws)


def story_of(customer_id: int, seq: int) -> Story:
    """The story of a stored event. Raises ``NotFound``."""
    event = Event.objects.filter(customer_id=customer_id, seq=seq).first()
    customer = Customer.objects.filter(id=customer_id).first()
    receipt = receipt_of(customer, event.event_id, event.source) if event and customer else None
    if event is None or customer is None or receipt is None:
        raise NotFound("There is no such event.")
    identity = {"event_id": event.event_id, "source": event.source}
    raw = event.raw or {}
    waited = UnmatchedEvent.objects.filter(**identity).exclude(matched_at=None)
    refused = RejectedEvent.objects.filter(customer_id=customer_id, event_id=event.event_id)
    contradicting = EventConflict.objects.filter(customer_id=customer_id, **identity)
    return Story(
        event,
        customer,
        receipt,
        waited.filter(Q(customer_key=customer.key) | Q(assigned_id=customer_id))
        .order_by("recorded_at")
        .first(),
        tuple(refused.order_by("recorded_at", "id")[:OTHERS_MAX]),
        tuple(contradicting.order_by("recorded_at", "id")[:OTHERS_MAX]),
        tuple(_leaves(raw.get("usage", raw))),
        tuple(raw.get("flags", ())),
        _prices(event),
        _meters(customer_id, receipt.event),
        _draws(customer_id, event),
        _re_ratings(customer_id, event.occurred_at),
        disjoint_steps(event.provider, raw.get("api", ""), raw["usage"]) if "usage" in raw else (),
        _tokens(event),
        mixed_models(event),
    )


def _leaves(value: Any, path: str = "") -> list[tuple[str, str]]:
    """The numbers and texts of the provider's usage with their paths, in its own order."""
    if isinstance(value, Mapping):
        return [
            leaf
            for name, item in value.items()
            if path or name not in ("flags",)
            for leaf in _leaves(item, f"{path}.{name}" if path else str(name))
        ]
    if isinstance(value, list):
        return [leaf for n, item in enumerate(value) for leaf in _leaves(item, f"{path}[{n}]")]
    return [] if value is None else [(path, str(value))]


def _prices(event: Event) -> dict[int, UsedPrice]:
    rows = PriceRow.objects.select_related("snapshot").in_bulk(list(event.cost_rows.values()))
    return {row.id: UsedPrice(row, f"{row.snapshot.source} {row.snapshot.version}") for row in rows.values()}


def _meters(customer_id: int, event: StoredEvent) -> tuple[MeterVerdict, ...]:
    """Every meter of the event's type, and every other that a charge of the customer then used."""
    charged: dict[str, list[str]] = {}
    for stretch in stretches_of(customer_id):
        if stretch.holds(event.occurred_at):
            for metered in stretch.charges:
                if metered.meter is not None:
                    charged.setdefault(metered.charge.meter or "", []).append(metered.charge.key)
    wanted = Q(event_type=event.type, archived_at=None) | Q(key__in=list(charged))
    meters = Meter.objects.filter(wanted).order_by("key")[:METERS_MAX]
    return tuple(
        MeterVerdict(meter, why_not_counted(meter, event), tuple(charged.get(meter.key, ())))
        for meter in meters
    )


def _draws(customer_id: int, event: Event) -> tuple[DrawStep, ...]:
    rows = CreditDraw.objects.filter(customer_id=customer_id, seq=event.seq).order_by("recorded_at", "n")[
        :DRAWS_MAX
    ]
    draws: Sequence[CreditDraw] = list(rows)
    grants = CreditGrant.objects.filter(
        customer_id=customer_id, id__in={row.grant_id for row in draws if row.grant_id}
    )
    names = {grant.id: grant.name or grant.key for grant in grants}
    return tuple(
        DrawStep(row, names.get(row.grant_id, "overage") if row.grant_id else "overage") for row in draws
    )


def _re_ratings(customer_id: int, occurred_at: datetime) -> tuple[ReRatingStep, ...]:
    rows = ReRatingStep.objects.filter(
        customer_id=customer_id,
        state=ReRatingStep.State.APPLIED,
        re_rating__span_start__lte=occurred_at,
        re_rating__span_end__gt=occurred_at,
    )
    return tuple(rows.select_related("re_rating").order_by("applied_at", "re_rating_id")[:OTHERS_MAX])


def _tokens(event: Event) -> Decimal | None:
    counted = [Decimal(number) for unit, number in event.usage.items() if is_token(unit)]
    return sum(counted, Decimal(0)) if counted else None
