from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from billing.models.add_on import AddOn
from billing.models.override import SubscriptionOverride
from billing.models.subscription import LatePeriod, SubscriptionSegment


@dataclass(frozen=True)
class BilledFee:
    """A line of a fee for a stretch, on an invoice that is not void."""

    invoice_kind: str
    invoice_period_end: datetime
    period_start: datetime
    unrounded: Decimal


@dataclass(frozen=True)
class Basis:
    """What a subscription's periods from ``since`` on are billed by, beside usage.

    Stretches, own terms and late periods are all there are; add-ons and fees, those that matter from ``since`` on;
    ``invoices`` that of the period that starts at ``since``, where there is one that is not void.
    """

    since: datetime
    segments: tuple[SubscriptionSegment, ...]
    overrides: tuple[SubscriptionOverride, ...]
    late: tuple[LatePeriod, ...]
    add_ons: tuple[AddOn, ...]
    fees: tuple[BilledFee, ...]
    invoices: tuple[UUID, ...]
