"""Living through the demo's past: events come, time passes, and what falls due is done at its own time."""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from pathlib import Path

from django.db import connection, transaction
from django.db.models import Min

from billing.invoices import STRIPE_SYNC, record_payment
from billing.margins import DAYS_DUE, REFRESH_AFTER
from billing.models import Invoice
from billing.rating import customers_behind, rate_pending
from billing.recounts.recounting import start_and_count
from billing.subscriptions.lifecycle import NewSubscription, plan_version_to_sell
from billing.tasks import HANDLERS
from config.demo.calls import Desk
from config.demo.catalogue import open_shop
from config.demo.sign_ins import create_sign_ins, keep_sign_ins
from config.demo.stories import LEAVES, STOPS_PAYING, SUBSCRIPTION, stories
from config.demo.tenants import TENANTS, Tenant
from config.demo.traffic import shares
from config.wiring import without_nudges
from core.due_work import cancel, run_due
from core.limits import BATCH_EVENTS_MAX
from core.models import DueWork
from core.periods import local_date
from customers.customers import create_customer
from customers.models import Customer
from metering.events import NewEvent, store_events
from pricing.models import PriceRow
from pricing.price_sources.packaged import import_packaged_prices

PORTAL_CUSTOMER = "quillwork"
# Revenue by day is a cache of the books: worked out a few times, not after each batch. A month has at least 28 days.
DAYS_REFRESHED_EVERY = 28
KINDS = frozenset(HANDLERS) - {DAYS_DUE}
BUSIEST = 8  # customers whose events are stored each day; the others' each third day
ROOT_SEED = "larkspur"

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Scale:
    """How much of a past: the first ``customers`` of the list, ``days`` back, about so many ``events`` in all."""

    customers: int = len(TENANTS)
    days: int = 90
    events: int = 70_000


WHOLE = Scale()


class NotEmpty(Exception):
    """The database holds customers already: a demo would mix with them."""


def fill_demo(*, now: datetime, sign_ins: Path, scale: Scale = WHOLE, tell: Tell = lambda line: None) -> None:
    """Fill an empty database with the demo's past up to ``now``; the sign-ins are written to the file.

    All of it is one transaction: cut short, it leaves nothing. Raises ``NotEmpty``.
    """
    with without_nudges(), transaction.atomic():
        if Customer.objects.exists():
            raise NotEmpty
        past = Past(now, scale, tell)
        past.live()
        portal = past.customers.get(PORTAL_CUSTOMER) or next(iter(past.customers.values()))
        keep_sign_ins(create_sign_ins(portal, now=now), sign_ins)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # the first pages should not wait for statistics


@dataclass
class Stream:
    """One customer's events, made as they are asked for."""

    events: Iterator[NewEvent]
    waiting: NewEvent | None = field(init=False)

    def __post_init__(self) -> None:
        self.waiting = next(self.events, None)

    def until(self, edge: datetime) -> Iterator[NewEvent]:
        """The events before the edge that were not given out yet."""
        while self.waiting is not None and self.waiting.occurred_at < edge:
            yield self.waiting
            self.waiting = next(self.events, None)


class Past:
    """Larkspur AI from its first day up to ``now``."""

    def __init__(self, now: datetime, scale: Scale, tell: Tell) -> None:
        self.now = now
        self.scale = scale
        self.tell = tell
        self.start = datetime.combine(now.date() - timedelta(days=scale.days), time(), UTC)
        self.tenants = TENANTS[: scale.customers]
        self.customers: dict[str, Customer] = {}
        self.streams: dict[str, Stream] = {}
        self.stored = 0

    def live(self) -> None:
        """Everything, in order of time."""
        if not PriceRow.objects.exists():
            self.tell("reading the price book")
            import_packaged_prices(now=self.start)
        open_shop(self.start)
        agenda = self._agenda()
        while agenda:
            hours, n, act = heapq.heappop(agenda)
            at = min(self.start + timedelta(hours=hours), self.now)
            self.do_what_is_due(at)
            act(at)
        self.do_what_is_due(self.now)
        self.catch_up()

    def _agenda(self) -> list[tuple[float, int, Callable[[datetime], None]]]:
        """What happens when, in hours from the start: customers join, days end, stories are told."""
        acts: list[tuple[float, Callable[[datetime], None]]] = []
        parts = shares(len(self.tenants))
        for rank, tenant in enumerate(self.tenants):
            joins = min(tenant.joins, self.scale.days - 1) * 24 + 8 + rank % 9 + rank / 60
            acts.append((joins, self._joining(tenant, parts[rank])))
        for day in range(1, self.scale.days + 1):
            acts.append((day * 24, self._ending(day)))
        for story in stories(self.scale.days):
            if not story.customer or any(story.customer == tenant.key for tenant in self.tenants):
                acts.append((story.hours + 0.5, self._telling(story.customer, story.tell)))
        agenda = [(hours, n, act) for n, (hours, act) in enumerate(acts)]
        heapq.heapify(agenda)
        return agenda

    def _joining(self, tenant: Tenant, share: float) -> Callable[[datetime], None]:
        def join(at: datetime) -> None:
            tax_name, tax_rate = tenant.tax
            customer = self.customers[tenant.key] = create_customer(
                key=tenant.key,
                name=tenant.name,
                email=f"billing@{tenant.key}.example",
                currency=tenant.currency,
                timezone=tenant.zone,
                tax_name=tax_name,
                tax_rate=Decimal(tax_rate),
                address=tenant.address,
                now=at,
            )
            first = local_date(at, tenant.zone)
            anchor = first.replace(day=1) if tenant.calendar_months else None
            version = plan_version_to_sell(tenant.plan)
            start_and_count(NewSubscription(customer, version, SUBSCRIPTION, at, anchor), now=at)
            end = self.now
            if tenant.key in LEAVES:
                end = min(end, self.start + timedelta(days=LEAVES[tenant.key]))
            count = int(self.scale.events * share * ((end - at) / (self.now - self.start)))
            desk = Desk(tenant, random.Random(f"{ROOT_SEED} {tenant.key}"))
            self.streams[tenant.key] = Stream(desk.calls(at, end, max(count, 5)))

        return join

    def _ending(self, day: int) -> Callable[[datetime], None]:
        def end(at: datetime) -> None:
            for rank, tenant in enumerate(self.tenants):
                if rank < BUSIEST or (rank + day) % 3 == 0:
                    self.store(tenant.key, at)
            self.receive_payments(at)
            if (self.scale.days - day) % DAYS_REFRESHED_EVERY == 0:
                run_due(at + REFRESH_AFTER, kinds=[DAYS_DUE])
            self.tell(f"day {day} of {self.scale.days} … {self.stored:,} events")

        return end

    def _telling(
        self, customer: str, tell: Callable[[str, datetime, random.Random], int | None]
    ) -> Callable[[datetime], None]:
        def act(at: datetime) -> None:
            if customer:
                self.store(customer, at)
            self.stored += tell(customer, at, random.Random(f"{ROOT_SEED} {customer} {at - self.start}")) or 0

        return act

    def store(self, key: str, until: datetime) -> None:
        """Store what the customer's people have called up to then, in batches as a gateway sends them."""
        stream = self.streams.get(key)
        if stream is None:
            return
        events = stream.until(until)
        while batch := list(islice(events, BATCH_EVENTS_MAX)):
            store_events(batch, now=batch[-1].occurred_at + timedelta(seconds=2))
            self.stored += len(batch)

    def do_what_is_due(self, until: datetime) -> None:
        """Run the work that falls due up to then, each piece at its own time, after the events before it."""
        keys = {customer.id: key for key, customer in self.customers.items()}
        while True:
            due = DueWork.objects.filter(parked_at=None, kind__in=KINDS, due_at__lte=until)
            at = due.aggregate(at=Min("due_at"))["at"]
            if at is None:
                return
            for customer_id in set(due.filter(due_at=at).values_list("customer_id", flat=True)):
                self.store(keys[customer_id], at)
            outcomes = run_due(at, kinds=KINDS)
            if not outcomes or outcomes["failed"]:
                raise RuntimeError(f"What was due at {at} could not be done: {dict(outcomes)}.")

    def receive_payments(self, until: datetime) -> None:
        """Customers pay by bank transfer, one to thirteen days after the invoice; one has stopped."""
        for invoice in Invoice.objects.filter(status=Invoice.Status.FINALIZED).select_related("customer"):
            assert invoice.finalized_at is not None
            stops = STOPS_PAYING.get(invoice.customer.key, self.scale.days)
            days = random.Random(f"{ROOT_SEED} {invoice.number}").uniform(1, 13)
            paid_at = invoice.finalized_at + timedelta(days=days)
            if paid_at <= until and invoice.finalized_at < self.start + timedelta(days=stops):
                record_payment(
                    invoice.customer_id,
                    invoice.id,
                    amount_minor=invoice.due_minor - invoice.paid_minor,
                    reference=f"bank transfer for {invoice.number}",
                    now=paid_at,
                )

    def catch_up(self) -> None:
        """Bring everything to the present: the last events, their rating, revenue by day."""
        for tenant in self.tenants:
            self.store(tenant.key, self.now)
        self.tell(f"rating {self.stored:,} events")
        for customer_id in customers_behind(len(self.tenants)):
            rate_pending(customer_id, now=self.now)
        run_due(self.now + REFRESH_AFTER, kinds=[DAYS_DUE])
        # What was paid by transfer is not asked for again through Stripe.
        paid = Invoice.objects.exclude(status=Invoice.Status.FINALIZED)
        for customer_id, invoice_id in paid.values_list("customer_id", "id"):
            cancel(customer_id, STRIPE_SYNC, invoice_id.hex)
        self.tell(f"{len(self.tenants)} customers, {self.stored:,} events")
