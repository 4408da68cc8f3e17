"""Usage and invoice lines worked out again from the raw events, by a path that reads no bucket."""

from collections import defaultdict
from collections.abc import Iterator
from uuid import UUID

from billing.models import CreditDraw, Invoice, Subscription
from billing.recounts.differences import Burns
from billing.statements.parts import UsageReader
from billing.statements.reversals import reversed_event, takes_back, usage_taken_back, window
from billing.statements.statement import closing_statement
from billing.subscriptions.terms import MeteredCharge, Stretch
from core.money import ZERO, exact
from core.periods import Period
from metering.stored_event import StoredEvent, events_between
from pricing.engine.contributions import contribution
from pricing.engine.usage import EventFacts, UnpricedEvent, Usage, merge, total
from pricing.models import BurnTableVersion


def raw_reader(*, up_to_seq: int | None = None) -> UsageReader:
    """A reader of usage that adds up the raw events stored by ``up_to_seq``."""

    known: dict[tuple[UUID, Period], list[StoredEvent]] = {}

    def read(stretch: Stretch, metered: MeteredCharge | None, period: Period) -> list[Usage]:
        place = (stretch.segment_id, period)
        events = known[place] = known.get(place) or _events(stretch, period, up_to_seq)
        if metered is None:
            return [Usage(events=len(events), cost=sum((event.cost for event in events), ZERO))]
        taken_back = _taken_back(metered, events, stretch.subscription.customer_id, period, up_to_seq)
        return list(merge([*raw_usage(stretch, metered, events), *taken_back]))

    return read


def _taken_back(
    metered: MeteredCharge,
    events: list[StoredEvent],
    customer_id: int,
    period: Period,
    up_to_seq: int | None,
) -> Iterator[Usage]:
    """What later events took back of these, each once."""
    if metered.charge.reversed_by is None:
        return
    counted = {event.seq: event for event in events}
    until = period.end + window(metered.charge)
    for reversal in events_between(customer_id, period.start, until, up_to_seq=up_to_seq):
        if reversal.type != metered.charge.reversed_by:
            continue
        original = reversed_event(customer_id, reversal)
        if original is not None and original.seq in counted and takes_back(metered, reversal, original):
            yield from usage_taken_back(metered, counted.pop(original.seq))


def _events(stretch: Stretch, period: Period, up_to_seq: int | None) -> list[StoredEvent]:
    customer_id = stretch.subscription.customer_id
    events = events_between(customer_id, period.start, period.end, up_to_seq=up_to_seq)
    return [event for event in events if stretch.holds(event.occurred_at)]


@exact
def raw_usage(stretch: Stretch, metered: MeteredCharge, events: list[StoredEvent]) -> list[Usage]:
    """The charge's usage of these events, event by event."""
    burns = _burns(stretch.subscription.customer_id, events) if metered.charge.measures_credits else Burns()
    usages: list[Usage] = []
    seen: dict[tuple[object, ...], set[str]] = defaultdict(set)
    if metered.aggregation == "latest":  # the latest to happen, whenever it was stored
        events = sorted(events, key=lambda event: event.occurred_at)
    for event in events:
        for facts in _facts(stretch, metered, event, burns):
            so_far = total(usages) if metered.charge.counts_in_order else None
            try:
                usage = contribution(metered.charge, facts, so_far)
            except UnpricedEvent:
                usage = Usage(facts.dimensions, facts.quantity, 1, ZERO, facts.cost)
            if usage is not None:
                _note(usages, usage, metered, event, seen)
    return list(merge(usages))


def _note(
    usages: list[Usage],
    usage: Usage,
    metered: MeteredCharge,
    event: StoredEvent,
    seen: dict[tuple[object, ...], set[str]],
) -> None:
    place = tuple(sorted(usage.dimensions.items()))
    if metered.aggregation == "unique" and metered.meter is not None:
        text = metered.meter.text(event)
        if text in seen[place]:
            return
        seen[place].add(text)
    if metered.aggregation in ("max", "latest"):
        for index, known in enumerate(usages):
            if known.dimensions == usage.dimensions:
                if metered.aggregation == "max" and known.quantity >= usage.quantity:
                    return
                usages.pop(index)
                break
    usages.append(usage)


def _facts(stretch: Stretch, metered: MeteredCharge, event: StoredEvent, burns: Burns) -> list[EventFacts]:
    charge = metered.charge
    if metered.meter is not None and not metered.meter.matches(event):
        return []
    if charge.measures_credits:
        burnt = burns.of(event, stretch, charge.burn_table or "")
        if burnt is None or not burnt.credits:
            return []
        return [
            EventFacts(
                ZERO, event.cost, failed=event.failed, credits=burnt.credits, credits_covered=burnt.covered
            )
        ]
    return [
        EventFacts(quantity, cost, dict(dimensions), metered.own_price(event), event.failed)
        for dimensions, quantity, cost in metered.quantities(event)
    ]


def _burns(customer_id: int, events: list[StoredEvent]) -> Burns:
    """What these events have burnt, draw by draw."""
    burns = Burns()
    if not events:
        return burns
    keys = dict(BurnTableVersion.objects.values_list("id", "table__key"))
    draws = CreditDraw.objects.filter(
        customer_id=customer_id, seq__gte=min(e.seq for e in events), seq__lte=max(e.seq for e in events)
    )
    for draw in draws.iterator():
        place = draw.subscription_id, keys[draw.burn_table_version_id]
        burns.by_event[draw.source, draw.event_id][place].add(
            draw.credits, None if draw.grant_id is None else ZERO
        )
    return burns


def rerated_lines(invoice: Invoice, *, up_to_seq: int) -> dict[tuple[UUID | None, str], int]:
    """The invoice's usage lines rated from raw events: segment and charge → minor units."""
    subscription = Subscription.objects.select_related("customer").get(
        customer_id=invoice.customer_id, id=invoice.subscription_id
    )
    period = Period(invoice.period_start, invoice.period_end)
    statement = closing_statement(
        subscription, period, invoice.period_n, [], read=raw_reader(up_to_seq=up_to_seq)
    )
    return {
        (line.segment_id, line.charge): line.rated.amount_minor
        for line in statement.lines
        if line.rated.kind == "usage"
    }
