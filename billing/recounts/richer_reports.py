"""Reports that tell more of a call take the place of the event that counts it.

They are rated as if they had come first: what the poorer ones burnt and added to usage is worked out anew. That costs what
the period holds, so reports wait a few minutes for others.
"""

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from billing.ledger import lock_customer
from billing.rating import rate_pending
from billing.recounts.rebuilding import Rebuild
from billing.recounts.taking_back import refresh_since, take_back
from billing.statements.late_periods import Cause
from core.due_work import Work, ensure
from core.failpoints import failpoint
from core.ids import new_id
from customers.models import Customer
from metering.removal import kept_since
from metering.replacements import Place, give_up, replace_events, waiting_places

REPLACING_DUE = "calls.replace"
WAITING = timedelta(minutes=5)
REPORTS_AT_ONCE = 1_000


def make_due(customer_id: int, now: datetime) -> None:
    """Have the customer's richer reports take their places soon, in the caller's transaction."""
    ensure(customer_id, REPLACING_DUE, "", now + WAITING)


def take_places(work: Work, now: datetime) -> datetime | None:
    """Handler: rate richer reports where poorer ones counted. Due again while some are left."""
    customer_id = work.customer_id
    rate_pending(customer_id, now=now)
    with transaction.atomic():
        lock_customer(customer_id)
        waiting = waiting_places(customer_id, REPORTS_AT_ONCE)
        places = _can_be_counted(customer_id, waiting, now)
        if places:
            take_back(
                customer_id,
                [place.poorer for place in places],
                partial(replace_events, customer_id, places, now=now),
                why=Cause.REPORT,
                cause=f"call:{new_id().hex}",  # one call may be told better and better: the event says too little
                now=now,
            )
            refresh_since(customer_id, min(place.poorer.occurred_at for place in places))
        failpoint("billing.richer_reports.before_commit")
    return now if len(waiting) == REPORTS_AT_ONCE else None


def _can_be_counted(customer_id: int, waiting: list[Place], now: datetime) -> list[Place]:
    """Those of whose periods every event is kept. The others are given up: what they came to before stands."""
    mark = kept_since(customer_id)
    if mark is None:
        return waiting
    rebuild = Rebuild(Customer.objects.get(id=customer_id), now)

    def is_kept(place: Place) -> bool:
        moments = {place.poorer.occurred_at, place.richer.occurred_at}
        return rebuild.reach_around(moments).whole.start >= mark

    told = [(place, is_kept(place)) for place in waiting]
    give_up(customer_id, [place for place, kept in told if not kept])
    return [place for place, kept in told if kept]


HANDLERS = {REPLACING_DUE: take_places}
