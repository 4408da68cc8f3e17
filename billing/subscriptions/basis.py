"""What a subscription's period is billed by beside its usage, read in one statement.

While it is kept on the subscription's object, who asks that object for stretches, own terms or add-ons is answered from
there. It is kept no longer than a reader, or a closing under the customer's lock, that changes none of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection
from msgspec import Struct
from msgspec.json import decode
from msgspec.structs import asdict

from billing.models import (
    AddOn,
    Basis,
    BilledFee,
    LatePeriod,
    Subscription,
    SubscriptionOverride,
    SubscriptionSegment,
)
from pricing.models import PlanVersion

_READ = """
SELECT json_build_object(
    'segments', ARRAY(
        SELECT json_build_object(
            'id', s.id, 'starts_at', s.starts_at, 'ends_at', s.ends_at,
            'version_id', v.id, 'published_at', v.published_at)
        FROM billing_subscriptionsegment s JOIN pricing_planversion v ON v.id = s.plan_version_id
        WHERE s.customer_id = %(customer)s AND s.subscription_id = %(subscription)s ORDER BY s.starts_at, s.id),
    'overrides', ARRAY(
        SELECT json_build_object('starts_at', starts_at, 'overrides', overrides) FROM billing_subscriptionoverride
        WHERE customer_id = %(customer)s AND subscription_id = %(subscription)s ORDER BY starts_at),
    'late', ARRAY(
        SELECT json_build_object(
            'period_start', period_start, 'period_end', period_end, 'corrected', corrected, 'causes', causes)
        FROM billing_lateperiod
        WHERE customer_id = %(customer)s AND subscription_id = %(subscription)s ORDER BY period_start),
    'add_ons', ARRAY(
        SELECT json_build_object(
            'name', name, 'amount', amount::text, 'quantity', quantity::text, 'recurring', recurring,
            'starts_at', starts_at, 'ends_at', ends_at)
        FROM billing_addon
        WHERE customer_id = %(customer)s AND subscription_id = %(subscription)s
            AND CASE WHEN recurring THEN ends_at IS NULL OR ends_at > %(since)s ELSE starts_at >= %(since)s END
        ORDER BY starts_at, id),
    'fees', ARRAY(
        SELECT json_build_object(
            'invoice_kind', i.kind, 'invoice_period_end', i.period_end,
            'period_start', l.period_start, 'unrounded', l.unrounded::text)
        FROM billing_invoice i
        JOIN billing_invoiceline l ON l.customer_id = i.customer_id AND l.invoice_id = i.id
        WHERE i.customer_id = %(customer)s AND i.subscription_id = %(subscription)s AND i.status <> 'void'
            AND l.kind = 'fee' AND l.segment_id IS NOT NULL AND l.period_start >= %(since)s),
    'invoices', ARRAY(
        SELECT id FROM billing_invoice
        WHERE customer_id = %(customer)s AND subscription_id = %(subscription)s AND period_start = %(since)s
            AND kind = 'period' AND status <> 'void')
)::text
"""


class _Segment(Struct):
    id: UUID
    starts_at: datetime
    ends_at: datetime | None
    version_id: int
    published_at: datetime | None

    def of(self, subscription: Subscription) -> SubscriptionSegment:
        """The stretch; its version's terms are loaded only where somebody asks for them."""
        version = PlanVersion.from_db(
            DEFAULT_DB_ALIAS, ["id", "published_at"], [self.version_id, self.published_at]
        )
        return SubscriptionSegment(
            customer_id=subscription.customer_id,
            id=self.id,
            subscription_id=subscription.id,
            plan_version=version,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
        )


class _Override(Struct):
    starts_at: datetime
    overrides: dict[str, Any]


class _Late(Struct):
    period_start: datetime
    period_end: datetime
    corrected: bool
    causes: dict[str, list[str]]


class _AddOn(Struct):
    name: str
    amount: Decimal
    quantity: Decimal
    recurring: bool
    starts_at: datetime
    ends_at: datetime | None


class _Rows(Struct):
    segments: list[_Segment]
    overrides: list[_Override]
    late: list[_Late]
    add_ons: list[_AddOn]
    fees: list[BilledFee]
    invoices: list[UUID]


@contextmanager
def read_ahead(subscription: Subscription, since: datetime) -> Iterator[Basis]:
    """Within it the subscription's object holds what its periods from ``since`` on are billed by."""
    before = subscription.basis
    subscription.basis = basis = basis_for(subscription, since)
    try:
        yield basis
    finally:
        subscription.basis = before


def basis_for(subscription: Subscription, since: datetime) -> Basis:
    """What the subscription's periods from ``since`` on are billed by: as the object holds it, else read now."""
    held = subscription.basis
    return held if held is not None and held.since <= since else _read(subscription, since)


def _read(subscription: Subscription, since: datetime) -> Basis:
    with connection.cursor() as cursor:
        cursor.execute(
            _READ,
            {"customer": subscription.customer_id, "subscription": subscription.id, "since": since},
        )
        rows = decode(cursor.fetchone()[0], type=_Rows)
    owner = {"customer_id": subscription.customer_id, "subscription_id": subscription.id}
    return Basis(
        since,
        tuple(row.of(subscription) for row in rows.segments),
        tuple(SubscriptionOverride(**owner, **asdict(row)) for row in rows.overrides),
        tuple(LatePeriod(**owner, **asdict(row)) for row in rows.late),
        tuple(AddOn(**owner, **asdict(row)) for row in rows.add_ons),
        tuple(rows.fees),
        tuple(rows.invoices),
    )
