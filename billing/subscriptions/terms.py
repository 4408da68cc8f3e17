"""What a customer's events are rated by: the subscription's stretches, their charges ready to use, and the grants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from billing.models import Subscription, SubscriptionSegment
from billing.subscriptions.trials import in_trial, trial_terms
from core.money import ZERO
from core.remembered import forget_with
from metering.event_paths import as_number
from metering.meters import CompiledMeter, Dimensions, compile_meter
from metering.models import Meter
from metering.stored_event import StoredEvent
from metering.units import unit_of
from pricing.engine.charge import Charge
from pricing.models import PlanVersion
from pricing.plan_terms import PlanTerms

PRICE_PROPERTY = "price"  # where an event brings its own price, for a dynamic charge
# Where several calls count as one, none of them has a price of its own.
ONE_OF_MANY = ("unique", "max", "latest")
CREDIT = "credit"  # what a charge on credits counts
VERSIONS_KEPT = 1_000


@dataclass(frozen=True)
class MeteredCharge:
    """A charge and the meter that counts for it. ``dimensions`` are the paths that its price depends on,
    ``unit`` what one of its quantity is called."""

    charge: Charge
    meter: CompiledMeter | None
    aggregation: str
    dimensions: tuple[str, ...]
    name: str = ""
    unit: str = ""

    @property
    def adds_up(self) -> bool:
        """Whether the period's quantity is the sum of the events' own."""
        return self.aggregation not in ONE_OF_MANY

    def quantities(self, event: StoredEvent) -> list[tuple[Dimensions, Decimal, Decimal]]:
        """The event's dimensions, quantity and cost, in one part or in one for each token kind.

        An event's cost is one sum; where it has several parts, the first carries it, so that it is counted once.
        """
        if self.meter is None:
            return []
        parts = self.meter.parts(event, self.dimensions)
        return [(part[0], part[1], event.cost if n == 0 else ZERO) for n, part in enumerate(parts)]

    def own_price(self, event: StoredEvent) -> Decimal | None:
        """The price that the event brings, for a charge that takes it as it comes."""
        return (
            as_number(event.properties.get(PRICE_PROPERTY)) if self.charge.model.name == "dynamic" else None
        )


@dataclass(frozen=True)
class Stretch:
    """A subscription under one plan version, from ``starts_at`` up to, and without, ``ends_at``.

    The stretches of a trial have the plan's terms without anything that costs.
    """

    segment_id: UUID
    subscription: Subscription
    starts_at: datetime
    ends_at: datetime | None
    terms: PlanTerms
    charges: tuple[MeteredCharge, ...]
    trial: bool = False

    @cached_property
    def prices_credits(self) -> bool:
        """Whether some charge prices the credits that events burn."""
        return any(metered.charge.measures_credits for metered in self.charges)

    @cached_property
    def burn_tables(self) -> tuple[str, ...]:
        """Keys of the tables by which events burn credits here: those of its charges, else the plan's own."""
        own = [metered.charge.burn_table for metered in self.charges if metered.charge.measures_credits]
        return tuple(table for table in own or [self.terms.burn_table] if table is not None)

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


def stretches_of(customer_id: int) -> list[Stretch]:
    """All stretches of the customer's subscriptions, in order of time; one query a table."""
    subscriptions = {
        row.id: row for row in Subscription.objects.filter(customer_id=customer_id).select_related("customer")
    }
    segments = (
        SubscriptionSegment.objects.filter(customer_id=customer_id)
        .select_related("plan_version__plan")
        .defer("plan_version__terms")
        .order_by("starts_at", "id")
    )
    return [stretch_of(segment, subscriptions[segment.subscription_id]) for segment in segments]


def segments_ahead(subscriptions: Sequence[Subscription]) -> dict[UUID, list[SubscriptionSegment]]:
    """By subscription its segments from its open period on, planned ones included, in order of time; one query."""
    begun = {subscription.id: subscription.period_start for subscription in subscriptions}
    rows = SubscriptionSegment.objects.filter(
        customer_id__in={subscription.customer_id for subscription in subscriptions},
        subscription_id__in=begun,
    ).select_related("plan_version__plan")
    ahead: dict[UUID, list[SubscriptionSegment]] = {id_: [] for id_ in begun}
    for row in rows.order_by("starts_at", "id"):
        if row.ends_at is None or row.ends_at > begun[row.subscription_id]:
            ahead[row.subscription_id].append(row)
    return ahead


def stretch_of(segment: SubscriptionSegment, subscription: Subscription) -> Stretch:
    """One stretch with its charges and meters ready to use."""
    trial = in_trial(segment, subscription)
    sold = sold_by(segment.plan_version)
    if trial:
        sold = Sold(trial_terms(sold.terms), ())
    return Stretch(
        segment.id, subscription, segment.starts_at, segment.ends_at, sold.terms, sold.charges, trial
    )


class Sold(NamedTuple):
    """What a plan version sells, ready to use."""

    terms: PlanTerms
    charges: tuple[MeteredCharge, ...]


# A published version and the meters that it names never change: a process reads each once. A publication that was rolled
# back and made again is another one by its time.
_published: dict[tuple[int, datetime], Sold] = {}
forget_with(_published.clear)


def sold_by(version: PlanVersion) -> Sold:
    """The version's terms and charges; where it is known already, its terms need not have been loaded."""
    known = None if version.published_at is None else _published.get((version.pk, version.published_at))
    if known is not None:
        return known
    terms = PlanTerms.of(version)
    keys = [charge.meter for charge in terms.charges if charge.meter is not None]
    meters = {meter.key: meter for meter in Meter.objects.filter(key__in=keys)}
    sold = Sold(terms, tuple(_metered(charge, meters) for charge in terms.charges))
    if version.published_at is not None:
        if len(_published) >= VERSIONS_KEPT:
            _published.clear()
        _published[version.pk, version.published_at] = sold
    return sold


def _metered(charge: Charge, meters: dict[str, Meter]) -> MeteredCharge:
    dimensions = tuple(getattr(charge.model, "dimensions", ()))
    if charge.meter is None:
        unit = CREDIT if charge.measures_credits else ""
        return MeteredCharge(charge, None, "", dimensions, unit=unit)
    meter = meters[charge.meter]
    return MeteredCharge(
        charge, compile_meter(meter), meter.aggregation, dimensions, meter.name, unit_of(meter)
    )
