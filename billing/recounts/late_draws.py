"""Usage from before a change of plan that comes after it: credits are drawn anew, as if it had come in order.

The change took back what was left of the old plan's credits beyond their share of the days. Late usage has a claim on it,
and what it leaves for the days since is less. It seldom comes alone, so it waits a few minutes for more.
"""

from datetime import datetime

from django.db import transaction

from billing.credits.lent_credits import comes_after
from billing.ledger import lock_customer
from billing.models import CreditGrant
from billing.rating import rate_pending
from billing.recounts.redraws import Standing, Tables, redraw, redrawn_from, standing_draws
from billing.recounts.swaps import swap
from billing.recounts.taking_back import refresh_since
from billing.statements.late_periods import Cause
from billing.subscriptions.terms import stretches_of
from core.due_work import Work
from core.failpoints import failpoint
from core.ids import new_id
from core.money import exact
from customers.models import Customer


@exact
def draw_in_order(work: Work, now: datetime) -> datetime | None:
    """Handler: make the draws anew that late usage from before a change of plan has moved."""
    customer_id = work.customer_id
    rate_pending(customer_id, now=now)
    with transaction.atomic():
        lock_customer(customer_id)
        late = _late_draws(customer_id)
        if late:
            moments = [draw.occurred_at for draw in late]
            first = redrawn_from(customer_id, late[0].seq, moments)
            stood = standing_draws(customer_id, from_seq=first)
            tables = Tables(customer_id, stretches_of(customer_id))
            redraw(customer_id, first, {}, tables, cause=f"late:{new_id().hex}", now=now)
            stand = standing_draws(customer_id, from_seq=first)
            swap(Customer.objects.get(id=customer_id), [], stood, stand, why=Cause.REDRAWN, now=now)
            refresh_since(customer_id, min(draw.occurred_at for draw in [*stood, *stand]))
        failpoint("billing.late_draws.before_commit")
    return None


def _late_draws(customer_id: int) -> list[Standing]:
    """The draws that came to a plan after another had taken over from it, in their order."""
    shared = list(
        CreditGrant.objects.filter(
            customer_id=customer_id, share_ends_at__isnull=False, voided_at=None, expired_at=None
        )
    )
    if not shared:
        return []
    first = min(grant.share_seq for grant in shared if grant.share_seq is not None) + 1
    return [
        draw
        for draw in standing_draws(customer_id, from_seq=first)
        if any(
            not comes_after(grant, draw.seq, draw.occurred_at) and draw.seq > (grant.share_seq or 0)
            for grant in shared
        )
    ]
