"""What people ask for, read and checked: the same for the API's JSON and for the console's forms."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from billing.credits.grants import NewGrant
from billing.models import Subscription
from billing.plan_moves import ALL, NEW_ONLY, NewMove
from billing.statements.add_ons import NewAddOn
from billing.subscriptions.lifecycle import NewSubscription, plan_version_to_sell
from core import limits, texts
from core.fields import Fields
from core.http.credentials import Credential
from core.ids import new_id
from core.money import CONTEXT, ONE, ZERO, plain
from core.problems import Invalid, NotFound
from core.times import parse_time
from customers.customers import customer_by_key
from customers.models import Customer
from metering.event_paths import text_reader
from pricing.models import PlanVersion
from pricing.plan_terms import (
    CREDITS_MAX,
    GRANT_CATEGORIES,
    GRANT_PRIORITY_DEFAULT,
    MONEY_MAX,
    PlanTerms,
)

VERSION_MAX = 100_000
QUANTITY_MAX = Decimal(1_000_000)
NOW, PERIOD_END, NEXT_PERIOD = "now", "period_end", "next_period"
PLAN_KEYS = "plan:"


def customer_named(key: str, credential: Credential) -> Customer:
    """The customer that a body names. Raises ``Invalid`` for one that is not there."""
    try:
        return customer_by_key(key, credential)
    except NotFound as absent:
        raise Invalid.one("customer", "unknown_customer", f"{absent.detail} Create it first.") from None


def read_subscription(fields: Fields, credential: Credential, at: datetime) -> NewSubscription:
    """A new subscription from its JSON. Raises ``Invalid`` with every field that is wrong."""
    customer_key = fields.path_id("customer")
    plan = fields.key("plan")
    number = fields.integer("version", None, least=1, most=VERSION_MAX)
    key = fields.path_id("key") if fields.has("key") else ""
    starts_at = fields.time("starts_at", at)
    ends_at = fields.time("ends_at", None)
    anchor: date | None = fields.parsed("anchor", _day, None, code="date", stand_in=None)
    overrides = fields.raw("overrides")
    if ends_at is not None and ends_at <= starts_at:
        fields.refuse("ends_at", "too_early", "It must lie after the start.")
    fields.done()
    own_terms = read_overrides(overrides)
    customer = customer_named(customer_key, credential)
    return NewSubscription(
        customer=customer,
        plan_version=plan_version_to_sell(plan, number),
        key=key or _free_key(customer),
        starts_at=starts_at,
        anchor=anchor,
        ends_at=ends_at,
        overrides=own_terms,
    )


def _free_key(customer: Customer) -> str:
    """The customer's own key for its first subscription, numbered ones for the next."""
    taken = set(Subscription.objects.filter(customer=customer).values_list("key", flat=True))
    number = len(taken) + 1
    key = customer.key
    while key in taken:
        key = f"{customer.key}-{number}"
        number += 1
    return key


def _day(value: Any) -> date:
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        raise ValueError("Write a day: 2026-01-31.") from None
    if not limits.YEAR_MIN < day.year < limits.YEAR_MAX:
        raise ValueError(f"The year must lie between {limits.YEAR_MIN} and {limits.YEAR_MAX}.")
    return day


def read_moment(fields: Fields, subscription: Subscription, at: datetime, *, default: str) -> datetime:
    """When something takes effect: ``now``, ``period_end`` or a time."""
    known = {NOW: at, PERIOD_END: subscription.period_end}

    def moment(value: Any) -> datetime:
        return known[value] if isinstance(value, str) and value in known else parse_time(value)

    found: datetime = fields.parsed("at", moment, known[default], code="time", stand_in=at)
    return found


def read_overrides(given: Any) -> dict[str, Any]:
    """A subscription's own terms as JSON that can be stored, numbers as text. Raises ``Invalid``."""
    PlanTerms.overrides(given)
    stored: dict[str, Any] = json.loads(json.dumps(given or {}, default=plain))
    return {name: value for name, value in stored.items() if value is not None}


def read_add_on(fields: Fields, at: datetime) -> NewAddOn:
    """An add-on from its JSON. Raises ``Invalid`` with every field that is wrong."""
    new = NewAddOn(
        key=fields.key("key"),
        name=fields.text("name"),
        amount=fields.number("amount", least=ZERO, most=MONEY_MAX),
        quantity=fields.number("quantity", ONE, least=ZERO, most=QUANTITY_MAX),
        recurring=fields.flag("recurring", False),
        starts_at=fields.time("at", at),
    )
    if not new.quantity and fields.has("quantity"):
        fields.refuse("quantity", "number", "It must be above zero.")
    if CONTEXT.multiply(new.amount, new.quantity) > MONEY_MAX:
        fields.refuse("amount", "number", f"All pieces together may come to {plain(MONEY_MAX)} at most.")
    fields.done()
    return new


def read_move(fields: Fields, version: PlanVersion, at: datetime) -> NewMove:
    """A move from its JSON. Raises ``Invalid`` with every field that is wrong."""
    who = fields.raw("who")
    if who is None:
        fields.refuse("who", "required", "It is required: all, new_only, or a list of customers' keys.")
    elif isinstance(who, list):
        if not 1 <= len(who) <= limits.MOVE_CUSTOMERS_MAX or not all(_is_key(key) for key in who):
            detail = f"Write 1 to {limits.MOVE_CUSTOMERS_MAX:,} customers' keys, each as text."
            fields.refuse("who", "list", detail)
    elif who not in (ALL, NEW_ONLY):
        fields.refuse("who", "choice", "Write all, new_only, or a list of customers' keys.")

    def moment(value: Any) -> datetime | None:
        return None if value == NEXT_PERIOD else parse_time(value)

    when = fields.parsed("when", moment, None, code="time", stand_in=None)
    if when is not None and when < at:
        fields.refuse("when", "too_early", "It must not be over: who has moved was billed by then.")
    fields.done()
    assert isinstance(who, str | list)
    return NewMove(version, who, when)


def _is_key(key: Any) -> bool:
    return isinstance(key, str) and texts.VISIBLE_ASCII.fullmatch(key) is not None


def read_grant(fields: Fields, at: datetime) -> NewGrant:
    """A new grant from its JSON; what is wrong is noted in the fields. Its currency is the customer's, set later."""
    cost_basis: Decimal = fields.number("cost_basis", ZERO, least=ZERO, most=MONEY_MAX)
    category = fields.choice("category", GRANT_CATEGORIES, "paid" if cost_basis else "promotional")
    amount = fields.number("amount", least=ZERO, most=CREDITS_MAX)
    if fields.has("amount") and amount == 0:
        fields.refuse("amount", "number", "It must be above zero.")
    if cost_basis and category == "promotional":
        detail = "Promotional credits earn nothing: leave it out, or say paid."
        fields.refuse("cost_basis", "contradiction", detail)
    key = fields.id("key", "")
    if key.startswith(PLAN_KEYS):
        fields.refuse(
            "key", "reserved", f"Keys that begin with {PLAN_KEYS!r} are those of plans' own grants."
        )
    starts_at: datetime = fields.time("starts_at", at)
    expires_at = fields.time("expires_at", None)
    if expires_at is not None and expires_at <= starts_at:
        fields.refuse("expires_at", "too_early", "It must lie after the start.")
    return NewGrant(
        key=key or f"api:{new_id().hex}",
        amount=amount,
        starts_at=starts_at,
        expires_at=expires_at,
        name=fields.text("name", default=""),
        category=category,
        cost_basis=cost_basis,
        priority=fields.integer("priority", GRANT_PRIORITY_DEFAULT, least=0, most=limits.GRANT_PRIORITY_MAX),
        applies_to=read_applies_to(fields),
        reason=fields.text("reason", most=limits.REASON_CHARACTERS_MAX, default=""),
    )


def read_applies_to(fields: Fields) -> dict[str, list[str]]:
    """Which events a grant covers: for each path the values that count. Empty: every event."""
    given = fields.object("applies_to")
    if given is None:
        return {}
    if len(given.data) > limits.METER_FILTER_PATHS_MAX:
        given.refuse("", "too_many", f"At most {limits.METER_FILTER_PATHS_MAX} paths fit.")
    found: dict[str, list[str]] = {}
    for path in given.data:
        values = given.items(path, most=limits.METER_FILTER_VALUES_MAX)
        try:
            text_reader(path)
        except ValueError as error:
            given.refuse(path, "path", str(error))
        if not values or not all(isinstance(value, str) for value in values):
            given.refuse(path, "list", 'Write a list of texts: ["claude-opus-4-5"].')
        found[path] = values
    return found
