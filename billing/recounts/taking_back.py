"""Events that no longer count, or count as others: draws and usage as if they had never been what they were."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import Q

from billing.drafts import refresh_drafts
from billing.ledger import lock_customer
from billing.margins import refresh_days
from billing.models import Invoice
from billing.recounts.rebuilding import Rebuild
from billing.recounts.redraws import Standing, Tables, burns_of, redraw, redrawn_from, standing_draws
from billing.recounts.swaps import adds_up, swap
from billing.retention import refuse_before_kept
from billing.statements.late_periods import Cause
from billing.subscriptions.terms import stretches_of
from core.money import exact
from customers.models import Customer
from metering.models import Event, WithdrawnEvent
from metering.stored_event import StoredEvent, events_by_seq, mark_unpriced
from metering.withdrawals import Brought


@exact
def take_back(
    customer_id: int,
    events: Sequence[Brought],
    withdraw: Callable[[], Mapping[int, StoredEvent]],
    *,
    why: Cause,
    cause: str,
    now: datetime,
) -> None:
    """Withdraw these events and leave draws and usage as if they had never been. The caller holds the customer's lock.

    ``withdraw`` takes the events themselves away, and returns those that stand in their place by now, by ``seq``: they
    are rated as if they had been there from the start. ``why`` is what invoices say of it; ``cause`` names the ledger's
    transactions, once for each cause.
    """
    if not events:
        withdraw()
        return
    moments = {one.occurred_at for one in events} | _moments_reversed(customer_id, events)
    customer = Customer.objects.get(id=customer_id)
    rated_seq = lock_customer(customer_id).rated_seq
    drawn = _first_drawn(customer_id, events)
    was = events_by_seq(customer_id, [one.seq for one in events if one.seq <= rated_seq])
    replacing = {seq: event for seq, event in withdraw().items() if seq <= rated_seq}
    moments |= {event.occurred_at for event in replacing.values()}
    first = min([*replacing, *([] if drawn is None else [drawn])], default=None)
    stood: list[Standing] = []
    if first is not None:
        first = redrawn_from(customer_id, first, moments)
        stood = standing_draws(customer_id, from_seq=first)
        tables = Tables(customer_id, stretches_of(customer_id))
        without = frozenset(one.seq for one in events)
        redraw(customer_id, first, replacing, tables, cause=cause, now=now, without=without)
        _mark_unlisted(customer_id, replacing.values(), tables)
    swaps = [(event, replacing.get(event.seq)) for event in was]
    stand = [] if first is None else standing_draws(customer_id, from_seq=first)
    if adds_up(stretches_of(customer_id), swaps):
        swap(customer, swaps, stood, stand, why=why, now=now)
        return
    moments |= {draw.occurred_at for draw in [*stood, *stand]}
    rebuild = Rebuild(customer, now, cause=why)
    reach = rebuild.reach_around(moments)
    refuse_before_kept(customer_id, reach.whole.start, "")
    burns = burns_of(customer_id, standing_draws(customer_id, span=(reach.whole.start, reach.whole.end)))
    rebuild.count_again(reach, burns, up_to_seq=rated_seq)
    rebuild.note_changed(moments)
    rebuild.write()


def refresh_since(customer_id: int, since: datetime | None) -> None:
    """What is shown follows what is rated: drafts, and revenue and cost by day back to ``since``."""
    refresh_drafts(customer_id)
    back = Invoice.objects.filter(customer_id=customer_id, kind="period", period_end__gt=since).exclude(
        status=Invoice.Status.VOID
    )
    refresh_days(Customer.objects.get(id=customer_id), periods_back=max(1, back.count()))


def _mark_unlisted(customer_id: int, events: Iterable[StoredEvent], tables: Tables) -> None:
    """Those that no rate names burn nothing, and wait for one."""
    unlisted = [event for event in events if tables.burns(event) is None]
    mark_unpriced(customer_id, [(event.event_id, event.source) for event in unlisted])


def _first_drawn(customer_id: int, events: Sequence[Brought]) -> int | None:
    """The first of these events that burnt anything: from it on, draws are made anew."""
    drawn = standing_draws(customer_id, seqs=[one.seq for one in events])
    return drawn[0].seq if drawn else None


def _moments_reversed(customer_id: int, events: Sequence[Brought]) -> set[datetime]:
    """When what these events took back had happened: it counts again, in its own period."""
    named = [one.reverses for one in events if one.reverses]
    if not named:
        return set()
    replaced = WithdrawnEvent.objects.filter(customer_id=customer_id, event_id__in=named).exclude(
        replaced_by_id=""
    )
    originals = Event.objects.filter(
        Q(event_id__in=named) | Q(seq__in=replaced.values("seq")), customer_id=customer_id
    )
    return set(originals.values_list("occurred_at", flat=True))
