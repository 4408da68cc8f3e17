"""Customers with what they used, earned and cost of late; and one customer, whole."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import connection
from django.db.models import Q

from billing.models import CreditGrant, CustomerDay, Invoice, Subscription, SubscriptionSegment
from console.queries.currencies import BY_CURRENCY
from console.queries.overview import Earned, EarnedDay
from core.money import ZERO
from customers.models import ApiKey, Customer, Member
from customers.queries import customer_by_id
from metering.models import EventStream
from pricing.cost_currency import COST_CURRENCY

SORTS = {
    "name": "c.name",
    "key": "c.key",
    "created": "c.created_at",
    "events": "coalesce(d.events, 0)",
    "revenue": "coalesce(d.revenue, 0)",
    "cost": "coalesce(d.cost, 0)",
    "margin": f"CASE WHEN d.revenue > 0 AND c.currency = '{COST_CURRENCY}' THEN (d.revenue - d.cost) / d.revenue END",
}
# What comes before them, always upward.
WITHIN = {"revenue": f"{BY_CURRENCY}, "}
# Without a sort or a filter by figures, the page's customers are found first and added up after.
PLAIN_SORTS = frozenset({"name", "key", "created"})


@dataclass(frozen=True)
class CustomerRow:
    id: int
    key: str
    name: str
    currency: str
    created_at: datetime
    earned: Earned


@dataclass(frozen=True)
class CustomerSearch:
    """What the list shows: words in key, name or email, sorted by a key of ``SORTS``, figures since ``since``."""

    words: str
    sort: str
    downward: bool
    since: date
    until: date


@dataclass(frozen=True)
class PlanStretch:
    subscription: Subscription
    segment: SubscriptionSegment


@dataclass(frozen=True)
class CustomerPage:
    """Everything the page of one customer shows, but for the spend of the open period."""

    customer: Customer
    plans: tuple[PlanStretch, ...]
    days: tuple[EarnedDay, ...]
    grants: tuple[CreditGrant, ...]
    invoices: tuple[Invoice, ...]
    api_keys: tuple[ApiKey, ...]
    members: tuple[Member, ...]
    last_seq: int


def count_customers(words: str) -> int:
    return Customer.objects.filter(_holding(words)).count()


def customer_rows(search: CustomerSearch, *, offset: int = 0, limit: int | None = None) -> list[CustomerRow]:
    """One page of customers with their figures from ``since`` to ``until``."""
    way = "DESC" if search.downward else "ASC"
    page = f"ORDER BY {WITHIN.get(search.sort, '')}{SORTS[search.sort]} {way} NULLS LAST, c.id LIMIT %s OFFSET %s"
    where, words = "", []
    if search.words:
        like = f"%{_escaped(search.words)}%"
        where, words = "WHERE c.key ILIKE %s OR c.name ILIKE %s OR c.email ILIKE %s", [like, like, like]
    days = [search.since, search.until]
    if search.sort in PLAIN_SORTS:
        sql = f"""
            SELECT c.id, c.key, c.name, c.currency, c.created_at, d.revenue, d.cost, d.events
            FROM (SELECT * FROM customers_customer c {where} {page}) c
            LEFT JOIN LATERAL (
                SELECT sum(revenue) AS revenue, sum(cost) AS cost, sum(events) AS events FROM billing_customerday
                WHERE customer_id = c.id AND day >= %s AND day <= %s) d ON true
            ORDER BY {SORTS[search.sort]} {way}, c.id
        """
        values = [*words, limit, offset, *days]
    else:
        sql = f"""
            SELECT c.id, c.key, c.name, c.currency, c.created_at, d.revenue, d.cost, d.events
            FROM customers_customer c LEFT JOIN (
                SELECT customer_id, sum(revenue) AS revenue, sum(cost) AS cost, sum(events) AS events
                FROM billing_customerday WHERE day >= %s AND day <= %s GROUP BY customer_id
            ) d ON d.customer_id = c.id {where} {page}
        """
        values = [*days, *words, limit, offset]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [
            CustomerRow(
                key_id, key, name, currency, made, Earned(revenue or ZERO, cost or ZERO, int(events or 0))
            )
            for key_id, key, name, currency, made, revenue, cost, events in cursor.fetchall()
        ]


def customer_page(customer_id: int, first: date, last: date) -> CustomerPage:
    """One customer. Raises ``NotFound``."""
    customer = customer_by_id(customer_id)
    own = {"customer_id": customer_id}
    subscriptions = {row.id: row for row in Subscription.objects.filter(**own)}
    segments = (
        SubscriptionSegment.objects.filter(**own)
        .select_related("plan_version__plan")
        .order_by("-starts_at", "id")
    )
    days = CustomerDay.objects.filter(**own, day__gte=first, day__lte=last).order_by("day")
    stream = EventStream.objects.filter(**own).first()
    return CustomerPage(
        customer,
        tuple(PlanStretch(subscriptions[segment.subscription_id], segment) for segment in segments),
        tuple(EarnedDay(row.day, Earned(row.revenue, row.cost, row.events)) for row in days),
        tuple(
            CreditGrant.objects.filter(**own, remaining__gt=0).order_by("priority", "expires_at", "id")[:20]
        ),
        tuple(Invoice.objects.filter(**own).order_by("-period_start", "-created_at", "id")[:12]),
        tuple(ApiKey.objects.filter(**own).order_by("-created_at", "id")[:20]),
        tuple(Member.objects.filter(**own).select_related("user").order_by("created_at", "id")[:50]),
        stream.last_seq if stream else 0,
    )


def _holding(words: str) -> Q:
    if not words:
        return Q()
    return Q(key__icontains=words) | Q(name__icontains=words) | Q(email__icontains=words)


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
