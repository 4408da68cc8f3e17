"""Four hundred events of every odd kind, and every measure of every group of them from the rows one by one."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from billing.attribution.measures import measure_named
from billing.attribution.question import UsageQuestion
from billing.attribution.span import instants, zones_of
from billing.attribution.usage import UsageAnswer
from billing.credits.grants import NewGrant, grant_credits
from billing.models import CreditDraw
from customers.models import Customer
from metering.event_columns import whole_path
from metering.event_paths import as_text, token_buckets
from metering.models import Event
from pricing.burn_tables import create_table
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

END = START + timedelta(days=70)
ODD = 'it\'s "odd"; DROP TABLE metering_event; --%s {} $1'


def measures(*names: str) -> tuple[Any, ...]:
    return tuple(measure_named(name) for name in names)


def question(*group_by: str, **fields: Any) -> UsageQuestion:
    given = {"measures": measures("cost"), "customer": None} | fields
    start, end = given.pop("start", START), given.pop("end", END)
    given.setdefault("span", instants(start, end, zones_of(given["customer"])))
    paths = tuple(whole_path(name) for name in group_by)
    return UsageQuestion(group_by=paths, asked_for=group_by, **given)


def a_world() -> list[Customer]:
    """Two customers in zones that cut hours and days differently, with 400 events of every odd kind."""
    a_meter("out", "usage.output")
    rates = [{"id": "any", "match": {"token_kind": "tokens"}, "credits": "0.37", "per": "1000"}]
    create_table("standard", "Standard", rates, now=START)
    price = Decimal("0.000001234567890123")
    quotes = [
        Quote("anthropic", "claude-opus-4-5", unit, price * n)
        for n, unit in enumerate(("input", "output", "cache_read", "web_search"), 1)
    ]
    set_operator_prices(quotes, by="test", now=START)
    version = a_plan(
        [
            {"key": "out", "meter": "out", "model": "per_unit", "unit_price": "0.0000123"},
            {"key": "c", "model": "credits", "burn_table": "standard", "unit_price": "0.02"},
        ]
    )
    customers = [
        a_customer("acme", timezone="America/New_York"),
        a_customer("beta", timezone="Asia/Kolkata"),
    ]
    rng = random.Random(7)
    for customer in customers:
        subscribe(customer, version)
        new = NewGrant("g", Decimal(5), START, category="paid", cost_basis=Decimal("0.013"))
        grant_credits(customer.id, new, now=START)
        events = [_event(rng, customer.key, n) for n in range(200)]
        use(customer, *sorted(events, key=lambda event: event.occurred_at), now=END)
    return customers


def _event(rng: random.Random, key: str, n: int) -> Any:
    feature = rng.choice(["chat", "search", "", 12, True, ODD, None, ["a"], {"b": 1}])
    properties = {"team": rng.choice(["red", "blue"])} | ({} if feature is None else {"feature": feature})
    if rng.random() < 0.3:
        properties[ODD] = "odd"
    run = rng.random() < 0.5
    return call(
        f"{key}-{n}",
        START + timedelta(seconds=rng.randrange(70 * 86_400)),
        customer=key,
        type=rng.choice(["llm.call", "tool.call"]),
        provider="anthropic",
        model=rng.choice(["claude-opus-4-5", "claude-opus-4-5", "unheard-of", ""]),
        usage={
            bucket: rng.randrange(1, 5_000)
            for bucket in ("input", "output", "cache_read", "cache_write_2h", "web_search")
            if rng.random() < 0.6
        },
        quantity=Decimal(rng.choice(["1", "2.5", "0.000000000000000001"])),
        status=rng.choice(["ok", "ok", "ok", "error", "timeout"]),
        latency_ms=rng.choice([None, 5, 800, 12_345]),
        run_id=f"run-{rng.randrange(9)}" if run else "",
        run={"step": rng.randrange(4), "attempt": rng.randrange(1, 4)} if run else None,
        properties=properties,
    )


def by_hand(group_by: Iterable[str], keep: Callable[[Event], bool] = lambda event: True) -> dict[Any, Any]:
    """Every measure of every group, from the rows one by one."""
    zones = dict(Customer.objects.values_list("id", "timezone"))
    keys = dict(Customer.objects.values_list("id", "key"))
    credits: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
    for draw in CreditDraw.objects.all():
        credits[draw.customer_id, draw.seq] += Fraction(draw.credits)
    found: dict[Any, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for event in Event.objects.all():
        if not keep(event):
            continue
        local = event.occurred_at.astimezone(ZoneInfo(zones[event.customer_id]))
        names = tuple(_name(path, event, local, keys[event.customer_id]) for path in group_by)
        sums = found[names]
        tokens = sum((Fraction(number) for _, number in token_buckets(event)), Fraction(0))
        failed, retried = event.status != "ok", (event.run or {}).get("attempt", 1) > 1
        told = {
            "events": 1,
            "tokens": tokens,
            "quantity": Fraction(event.quantity),
            "cost": Fraction(event.cost),
            "credits": credits[event.customer_id, event.seq],
            "failed": failed,
            "failed_cost": Fraction(event.cost) * failed,
            "failed_credits": credits[event.customer_id, event.seq] * failed,
            "retries": retried,
            "retry_cost": Fraction(event.cost) * retried,
            "usage.output": Fraction(event.usage.get("output", 0)),
            "usage.input_total": sum(
                Fraction(v) for k, v in event.usage.items() if k.startswith(("input", "cache_"))
            ),
        }
        for name, value in told.items():
            sums[name] += value
    return found


def _name(path: str, event: Event, local: datetime, key: str) -> str:
    run = event.run or {}
    if path == "hour":
        return (
            (local - timedelta(minutes=local.minute, seconds=local.second))
            .astimezone(UTC)
            .isoformat()
            .replace("+00:00", "Z")
        )
    if path == "week":
        return str(local.date() - timedelta(days=local.weekday()))
    if path in ("day", "month"):
        return str(local.date() if path == "day" else local.date().replace(day=1))
    if path == "customer":
        return key
    if path.startswith("run."):
        told = {
            "run.id": event.run_id,
            "run.step": run.get("step", ""),
            "run.attempt": run.get("attempt", 1) if event.run_id else "",
        }
        return str(told[path])
    if path.startswith("properties."):
        return as_text(event.properties.get(path.removeprefix("properties."))) or ""
    return str(getattr(event, path))


def told(answer: UsageAnswer) -> dict[Any, dict[str, Fraction]]:
    names = [measure.name for measure in answer.question.measures]
    return {row.names: {name: Fraction(row.sums[name]) for name in names} for row in answer.rows}
