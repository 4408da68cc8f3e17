"""A customer's single calls, and what each took of the customer's credits and money."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice

from django.db.models import Q, QuerySet

from billing.receipts.own_prices import prices_of_calls
from billing.recounts.redraws import standing_draws
from core.money import ZERO, exact
from core.problems import NotFound
from metering.models import Event

PAGE = 50
CSV_ROWS_MAX = 10_000
READ_TOGETHER = 1_000
# Everything that a customer may see of a call. What it cost the seller stays out of the query itself.
SEEN = (
    "customer_id",
    "event_id",
    "source",
    "seq",
    "type",
    "occurred_at",
    "recorded_at",
    "provider",
    "model",
    "context",
    "usage",
    "quantity",
    "status",
    "latency_ms",
    "run_id",
    "run",
    "properties",
    "unpriced",
)


@dataclass(frozen=True)
class CallFilter:
    words: str = ""
    start: datetime | None = None
    end: datetime | None = None
    before: int | None = None


@dataclass(frozen=True)
class CallRow:
    """A call with what it burnt, and its own price: None where no charge prices it by itself."""

    event: Event
    credits: Decimal
    price: Decimal | None

    @property
    def step(self) -> int | None:
        """Its step of its run, where it names one."""
        step = (self.event.run or {}).get("step")
        return None if step is None else int(step)

    @property
    def attempt(self) -> int:
        return int((self.event.run or {}).get("attempt") or 1)


def calls_of(customer_id: int, asked: CallFilter) -> QuerySet[Event]:
    """The customer's calls, the latest stored first; words are looked for in ids and runs, letter by letter."""
    rows = Event.objects.filter(customer_id=customer_id).only(*SEEN)
    if asked.words:
        rows = rows.filter(Q(event_id=asked.words) | Q(run_id=asked.words))
    if asked.start is not None:
        rows = rows.filter(occurred_at__gte=asked.start)
    if asked.end is not None:
        rows = rows.filter(occurred_at__lt=asked.end)
    if asked.before is not None:
        rows = rows.filter(seq__lt=asked.before)
    return rows.order_by("-seq")


def call_by_seq(customer_id: int, seq: int) -> Event:
    """One call. Raises ``NotFound``, also for another customer's."""
    row = Event.objects.filter(customer_id=customer_id, seq=seq).only(*SEEN).first()
    if row is None:
        raise NotFound("There is no such call.")
    return row


@exact
def call_rows(customer_id: int, events: Sequence[Event]) -> list[CallRow]:
    """The calls with what each burnt and is sold for by itself, as their receipts tell it."""
    seqs = [event.seq for event in events]
    credits: dict[int, Decimal] = defaultdict(lambda: ZERO)
    draws = standing_draws(customer_id, seqs=seqs)
    for draw in draws:
        credits[draw.seq] += draw.credits
    prices = prices_of_calls(customer_id, seqs, draws)
    return [CallRow(event, credits[event.seq], prices[event.seq]) for event in events]


def call_rows_of_many(customer_id: int, events: Iterable[Event]) -> Iterator[CallRow]:
    """The same for many calls, read a part at a time."""
    waiting = iter(events)
    while together := list(islice(waiting, READ_TOGETHER)):
        yield from call_rows(customer_id, together)
