"""Events that no longer count, or count as others: draws and usage as if they had never been what they were."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from billing.differences import Burns
from billing.drafts import refresh_drafts
from billing.ledger import lock_customer
from billing.margins import refresh_days
from billing.models import Invoice
from billing.rebuilding import Rebuild
from billing.redraws import Tables, burns_of, redraw, standing_draws
from billing.retention import refuse_before_kept
from core.money import exact
from customers.models import Customer
from metering.models import Event
from metering.stored_event import StoredEvent
from metering.withdrawals import Brought


@exact
def take_back(
    customer_id: int,
    events: Sequence[Brought],
    withdraw: Callable[[], Mapping[int, StoredEvent]],
    *,
    cause: str,
    now: datetime,
) -> None:
    """Withdraw these events and leave draws and usage as if they had never been. The caller holds the customer's lock.

    ``withdraw`` takes the events themselves away, and returns those that stand in their place by now, by ``seq``: they
    are rated as if they had been there from the start. ``cause`` names the ledger's transactions, once for each cause.
    """
    if not events:
        withdraw()
        return
    moments = {one.occurred_at for one in events} | _moments_reversed(customer_id, events)
    customer = Customer.objects.get(id=customer_id)
    rated_seq = lock_customer(customer_id).rated_seq
    drawn = _first_drawn(customer_id, events)
    replacing = {seq: event for seq, event in withdraw().items() if seq <= rated_seq}
    moments |= {event.occurred_at for event in replacing.values()}
    drawn = min([*replacing, *([] if drawn is None else [drawn])], default=None)
    rebuild = Rebuild(customer, Burns(), now)
    if drawn is not None:
        moments |= {draw.occurred_at for draw in standing_draws(customer_id, from_seq=drawn)}
        redraw(
            customer_id,
            drawn,
            replacing,
            Tables(customer_id, rebuild.stretches),
            cause=cause,
            now=now,
            without=frozenset(one.seq for one in events),
        )
    span = rebuild.span_around(moments)
    burns = burns_of(customer_id, standing_draws(customer_id, span=(span.start, span.end)))
    refuse_before_kept(customer_id, span.start, "")
    rebuild = Rebuild(customer, burns, now)
    rebuild.count_again(span, up_to_seq=rated_seq)
    rebuild.note_changed(moments)
    rebuild.write()


def refresh_since(customer_id: int, since: datetime | None) -> None:
    """What is shown follows what is rated: drafts, and revenue and cost by day back to ``since``."""
    refresh_drafts(customer_id)
    back = Invoice.objects.filter(customer_id=customer_id, kind="period", period_end__gt=since).exclude(
        status=Invoice.Status.VOID
    )
    refresh_days(Customer.objects.get(id=customer_id), periods_back=max(1, back.count()))


def _first_drawn(customer_id: int, events: Sequence[Brought]) -> int | None:
    """The first of these events that burnt anything: from it on, draws are made anew."""
    drawn = standing_draws(customer_id, seqs=[one.seq for one in events])
    return drawn[0].seq if drawn else None


def _moments_reversed(customer_id: int, events: Sequence[Brought]) -> set[datetime]:
    """When what these events took back had happened: it counts again, in its own period."""
    named = [one.reverses for one in events if one.reverses]
    if not named:
        return set()
    originals = Event.objects.filter(customer_id=customer_id, event_id__in=named)
    return set(originals.values_list("occurred_at", flat=True))
