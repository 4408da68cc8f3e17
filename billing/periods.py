"""Where a subscription's periods begin and end, which are closed, and closing them when they are over."""

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from billing.credits.plan_credits import grant_plan_credits
from billing.drafts import draft_invoice
from billing.models import Invoice, Subscription
from billing.subscriptions.basis import read_ahead
from billing.subscriptions.lifecycle import advance_period, segments_between, subscriptions_over
from billing.subscriptions.terms import sold_by
from core.periods import Period
from customers.models import Customer
from metering.usage import bucket_hour

CUSTOMER_SCOPE = UUID(int=0)
PERIODS_AT_ONCE_MAX = 600  # fifty years of months: a bound, so that a wrong date cannot spin for ever


class ClosedPeriods:
    """A customer's closed periods, read once and asked for many events."""

    customer_scope = CUSTOMER_SCOPE

    def __init__(self, customer: Customer) -> None:
        self._customer = customer
        # Every zone's midnights and full hours lie on quarters of an hour, so one answer serves a whole quarter.
        self._hours: dict[tuple[UUID | None, datetime], datetime] = {}
        self._periods: dict[UUID, list[tuple[Period, str]]] | None = None

    def hour(self, at: datetime, subscription: Subscription | None = None) -> datetime:
        """The start of the hour that counts the instant, never before its period."""
        quarter = at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
        place = (None if subscription is None else subscription.id, quarter)
        hour = self._hours.get(place)
        if hour is None:
            hour = self._hours[place] = self._hour(at, subscription)
        return hour

    def _hour(self, at: datetime, subscription: Subscription | None) -> datetime:
        zone = ZoneInfo(self._customer.timezone if subscription is None else subscription.timezone)
        start = None if subscription is None else self.period_start(subscription, at)
        return bucket_hour(at, zone, start)

    def period_start(self, subscription: Subscription, at: datetime) -> datetime:
        """The start of the subscription's period that holds the instant."""
        if at >= subscription.period_start:
            return subscription.period_start
        period = self.period_of(subscription, at)
        return subscription.starts_at if period is None else period.start

    def counted_together(self, subscription: Subscription, at: datetime) -> Period:
        """The period whose usage counts in one order with what happened at the instant."""
        period = self.period_of(subscription, at)
        return period or Period(self.period_start(subscription, at), subscription.period_end)

    def period_of(self, subscription: Subscription, at: datetime) -> Period | None:
        """The subscription's period that holds the instant, open or closed; ``None`` where none does."""
        current = Period(subscription.period_start, subscription.period_end)
        if subscription.closed_at is None and at in current:
            return current
        return next((period for period, _ in self._closed(subscription) if at in period), None)

    def invoiced_period(self, subscription: Subscription, at: datetime) -> Period | None:
        """The period that holds the instant, if its invoice can no longer change."""
        if at >= subscription.period_start and subscription.closed_at is None:
            return None
        for period, status in self._closed(subscription):
            if at in period and status not in (Invoice.Status.DRAFT, Invoice.Status.VOID):
                return period
        return None

    def _closed(self, subscription: Subscription) -> list[tuple[Period, str]]:
        """Periods with their invoice's status; one whose invoice is void is a period all the same, and comes last."""
        if self._periods is None:
            self._periods = {}
            rows = Invoice.objects.filter(customer_id=self._customer.id, kind="period")
            told = rows.values_list("subscription_id", "period_start", "period_end", "status")
            for id, start, end, status in sorted(told, key=lambda row: row[3] == Invoice.Status.VOID):
                self._periods.setdefault(id, []).append((Period(start, end), status))
        return self._periods.get(subscription.id, [])


def open_period(subscription: Subscription, *, now: datetime) -> None:
    """What begins with a period: the plan's credits. The caller holds the customer's lock."""
    period = Period(subscription.period_start, subscription.period_end)
    for segment in segments_between(subscription, period)[:1]:
        grant_plan_credits(subscription, sold_by(segment.plan_version).terms, now=now)


def close_due_periods(customer_id: int, *, until: datetime, now: datetime) -> list[Invoice]:
    """Close the customer's periods that end by ``until``: a draft invoice for each, and the next period opened.

    The caller holds the customer's lock and has rated what is stored.
    """
    drafts = []
    for subscription in subscriptions_over(customer_id, until):
        for _ in range(PERIODS_AT_ONCE_MAX):
            if subscription.period_end > until:
                break
            with read_ahead(subscription, subscription.period_start):
                drafts.append(draft_invoice(subscription, now=now))
                if not advance_period(subscription, subscription.customer, now=now):
                    break
                open_period(subscription, now=now)
    return drafts
