"""Reports that tell more of a call take the place of the event that counts it.

They are rated as if they had come first: what the poorer ones burnt and added to usage is worked out anew. That costs what
the period holds, so reports wait a few minutes for others.
"""

from datetime import datetime, timedelta
from functools import partial

from django.db import transaction

from billing.ledger import lock_customer
from billing.rating import rate_pending
from billing.taking_back import refresh_since, take_back
from core.due_work import Work, ensure
from core.failpoints import failpoint
from metering.replacements import replace_events, waiting_places

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
        places = waiting_places(customer_id, REPORTS_AT_ONCE)
        if places:
            first = places[0]
            take_back(
                customer_id,
                [place.poorer for place in places],
                partial(replace_events, customer_id, places, now=now),
                cause=f"call:{first.poorer.seq}:{first.richer.id}"[:100],
                now=now,
            )
            refresh_since(customer_id, min(place.poorer.occurred_at for place in places))
        failpoint("billing.richer_reports.before_commit")
    return now if len(places) == REPORTS_AT_ONCE else None


HANDLERS = {REPLACING_DUE: take_places}
