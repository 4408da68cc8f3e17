"""How long single events are kept: by the installation's policy, and never of a period that may still change.

Removed is what happened before a mark. The mark is the start of the period that holds the policy's edge, of whichever of
the customer's subscriptions it lies furthest back; drafts, and periods into which something came late, hold it back
further. So every period that loses an event is older than the policy as a whole, invoiced and corrected.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from billing.ledger import lock_customer
from billing.models import Invoice, LatePeriod, Subscription
from billing.rating import rate_pending
from core.due_work import ensure
from core.periods import months_before
from core.problems import Invalid
from core.times import render_time
from customers.models import Customer
from metering.removal import (
    keep_since,
    kept_since,
    kept_since_of_all,
    removal_under_way,
    remove_batch,
    remove_copies,
)

REMOVAL_DUE = "events.remove"
REMOVAL_INTERVAL = timedelta(days=1)
BATCHES_AT_ONCE = 20  # some ten seconds of work: well within the lease


def schedule_removals(*, now: datetime) -> None:
    """Have every customer with events looked at, once a day from now on. Nothing while events are kept for ever."""
    if not settings.KEEP_EVENTS_MONTHS:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT customer_id FROM metering_eventstream s WHERE NOT EXISTS"
            " (SELECT 1 FROM core_duework w WHERE w.customer_id = s.customer_id AND w.kind = %s) ORDER BY 1",
            [REMOVAL_DUE],
        )
        customers = [row[0] for row in cursor.fetchall()]
    for customer_id in customers:
        ensure(customer_id, REMOVAL_DUE, "", now)


def remove_old_events(customer_id: int, *, now: datetime) -> datetime | None:
    """Move the customer's mark, and remove what lies before it; returns when to go on, ``None`` for never.

    Killed half way, it goes on where it was: each batch is counted in the transaction that removes it.
    """
    if not settings.KEEP_EVENTS_MONTHS:
        return None
    rate_pending(customer_id, now=now)
    with transaction.atomic():
        # Both locks, the money's first: nobody starts a subscription back in a time that is being removed.
        rated_seq = lock_customer(customer_id).rated_seq
        customer = Customer.objects.get(id=customer_id)
        mark = removable_before(customer, now=now)
        keep_since(customer_id, mark)
    remove_copies(customer_id, customer.key, mark)
    removal = removal_under_way(customer_id, rated_seq=rated_seq, now=now)
    for _ in range(BATCHES_AT_ONCE):
        if removal is None or not remove_batch(removal, now=now):
            return now + REMOVAL_INTERVAL
    return now


def removable_before(customer: Customer, *, now: datetime) -> datetime:
    """The instant before which the customer's events may go: whatever could still need one lies after it."""
    edge = months_before(now, settings.KEEP_EVENTS_MONTHS)
    own = {"customer_id": customer.id, "period_start__lte": edge}
    standing = Invoice.objects.filter(**own).exclude(status=Invoice.Status.VOID)
    starts = [
        *Subscription.objects.filter(**own, closed_at=None).values_list("period_start", flat=True),
        *LatePeriod.objects.filter(**own).values_list("period_start", flat=True),
        *standing.filter(period_end__gt=edge).values_list("period_start", flat=True),
        *standing.filter(status=Invoice.Status.DRAFT).values_list("period_start", flat=True),
    ]
    return min([edge, *starts])


def refuse_before_kept(customer_id: int | None, at: datetime, field: str) -> None:
    """Raise ``Invalid`` where the customer's events of the instant are removed: counting them again would count too few.

    Without a customer it is asked of all.
    """
    mark = kept_since_of_all() if customer_id is None else kept_since(customer_id)
    if mark is not None and at < mark:
        detail = (
            f"Single events from before {render_time(mark)} are no longer kept; name a time from then on."
        )
        raise Invalid.one(field, "not_kept", detail)
