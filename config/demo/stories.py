"""What changes and what goes wrong in the ninety days: each story is done at its own time, by the functions of the API."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from billing.credits.grants import NewGrant, grant_credits
from billing.models import CreditGrant
from billing.recounts.recounting import cancel_and_recount, change_and_recount
from billing.subscriptions.lifecycle import plan_version_to_sell, subscription_by_key
from config.demo.calls import OPUS, SONNET, Desk
from config.demo.catalogue import SCALE, announce_cheaper_sonnet, raise_starter
from config.demo.sign_ins import OPERATOR
from config.demo.tenants import TENANTS, Tenant
from core.money import CONTEXT
from customers.models import Customer
from metering.events import NewEvent, store_events
from pricing.price_book import price_of
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote

SUBSCRIPTION = "main"
NEW_MODEL = "x-ai", "grok-6"
RUNAWAY = "run-nightly-migration"
RUNAWAY_STEPS = 620

# Who pays late, and from which day on it pays nothing.
STOPS_PAYING = {"ostrava": 40}
# Who gives up, and when.
LEAVES = {"moorgate": 70}


@dataclass(frozen=True)
class Story:
    """Something that happens ``hours`` after the beginning. Stories of customers who are not there are left out."""

    hours: int
    customer: str
    tell: Callable[[str, datetime, random.Random], int | None]


def stories(days: int) -> list[Story]:
    """All stories of a past of so many days; some count from its beginning, some from its end."""
    last = days * 24
    told = [
        Story(14 * 24 + 9, "lumenfield", buy_credits),
        Story(34 * 24 + 10, "palisade", welcome),
        Story(38 * 24 + 6, "saffron", send_late),
        Story(45 * 24 + 15, "juniper", move_to_scale),
        Story(50 * 24 + 9, "", lambda _, now, rng: announce_cheaper_sonnet(now)),
        Story(50 * 24 + 10, "", lambda _, now, rng: raise_starter(now)),
        Story(55 * 24, "", lambda _, now, rng: cut_sonnet(now)),
        Story(LEAVES["moorgate"] * 24, "moorgate", leave),
        Story(last - 9 * 24 + 11, "copperline", move_to_scale),
        Story(last - 6 * 24 + 6, "tessera", run_away),
        Story(last - 2 * 24 + 12, "halcyon", try_new_model),
        Story(last - 24 + 12, "halcyon", try_new_model),
    ]
    return [story for story in told if 0 <= story.hours < last]


def buy_credits(key: str, now: datetime, rng: random.Random) -> None:
    new = NewGrant(
        "top-up-1",
        Decimal(5000),
        now,
        name="Top-up",
        category=CreditGrant.Category.PAID,
        cost_basis=Decimal("0.01"),
        priority=20,
    )
    grant_credits(_customer(key).id, new, now=now)


def welcome(key: str, now: datetime, rng: random.Random) -> None:
    new = NewGrant("welcome", Decimal(400), now, now + timedelta(days=60), name="Welcome credits", priority=5)
    grant_credits(_customer(key).id, new, now=now)


def move_to_scale(key: str, now: datetime, rng: random.Random) -> None:
    subscription = subscription_by_key(_customer(key).id, SUBSCRIPTION)
    change_and_recount(subscription, plan_version_to_sell(SCALE), at=now, now=now)


def leave(key: str, now: datetime, rng: random.Random) -> None:
    cancel_and_recount(subscription_by_key(_customer(key).id, SUBSCRIPTION), at=now, now=now)


def cut_sonnet(now: datetime) -> None:
    """From now on our contract with the provider makes Sonnet a fifth cheaper."""
    quotes = []
    for unit in ("input", "cache_read", "output"):
        price = price_of(*SONNET, unit, at=now)
        if price is not None:
            quotes.append(Quote(*SONNET, unit, CONTEXT.multiply(price, Decimal("0.8")), starts=now))
    set_operator_prices(quotes, by=OPERATOR, now=now)


def send_late(key: str, now: datetime, rng: random.Random) -> int:
    """A gateway that was cut off sends a week of calls after their month was invoiced."""
    desk = Desk(_tenant(key), rng)
    calls = desk.calls(now - timedelta(days=15), now - timedelta(days=8), 120)
    return _store([replace(call, source="larkspur-edge") for call in calls], now)


def try_new_model(key: str, now: datetime, rng: random.Random) -> int:
    """Calls of a model that came out yesterday and is in no price list."""
    provider, model = NEW_MODEL
    desk = Desk(_tenant(key), rng)
    times = sorted(now - timedelta(seconds=rng.uniform(0, 12 * 3600)) for _ in range(35))
    return _store([replace(desk.call("chat", at), provider=provider, model=model) for at in times], now)


def run_away(key: str, now: datetime, rng: random.Random) -> int:
    """An agent that goes on all night: its context grows with each step, and a third of its calls fail."""
    return _store(list(_runaway_steps(Desk(_tenant(key), rng), now, rng)), now)


def _runaway_steps(desk: Desk, now: datetime, rng: random.Random) -> Iterator[NewEvent]:
    provider, model = OPUS
    at, step, attempt, context = now - timedelta(hours=5), 0, 1, 9_000
    for _ in range(RUNAWAY_STEPS):
        at += timedelta(seconds=rng.uniform(12, 40))
        failed = rng.random() < 0.36
        if attempt == 1:
            step, context = step + 1, min(180_000, context + rng.randrange(200, 1_400))
        call = desk.call("agent", at)
        usage = {"input": Decimal(rng.randrange(200, 2_000)), "cache_read": Decimal(context)}
        if not failed:
            usage["output"] = Decimal(rng.randrange(80, 900))
        yield replace(
            call,
            provider=provider,
            model=model,
            usage=usage,
            status="error" if failed else "ok",
            run_id=RUNAWAY,
            run={"step": step, "attempt": attempt},
            properties={**call.properties, "task": "migrate-tables", "user": "u001"},
        )
        attempt = attempt + 1 if failed and attempt < 4 else 1


def _store(events: list[NewEvent], now: datetime) -> int:
    store_events(events, now=now)
    return len(events)


def _tenant(key: str) -> Tenant:
    return next(tenant for tenant in TENANTS if tenant.key == key)


def _customer(key: str) -> Customer:
    return Customer.objects.get(key=key)
