"""The law of taking back: a backfill that is closed and reverted leaves what there would be had it never been."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from billing.backfills.jobs import (
    NewBackfill,
    check_backfill,
    close_backfill,
    create_backfill,
    revert_backfill,
)
from billing.models import CreditGrant, Subscription
from billing.rating import rate_pending
from billing.recounts.redraws import standing_draws
from billing.statements.statement import spend_statement
from console.queries.backfills import progress_of
from core import limits
from core.due_work import run_due
from core.failpoints import armed
from core.remembered import forget_everything
from metering.backfills.columns import HowToRead
from metering.backfills.file import keep_part
from metering.events import store_events
from metering.models import Backfill, Event, UniqueValue, UsageBucket
from metering.new_event import NewEvent
from pricing.burn_tables import create_table
from tests.billing.backfills.world import KINDS
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 25, tzinfo=UTC)
RATES = [{"id": "any", "match": {"token_kind": "tokens"}, "credits": "1", "per": "1000"}]
CHARGES = [
    {"key": "tokens", "meter": "tokens", "model": "per_unit", "unit_price": "0.001"},
    {"key": "peak", "meter": "peak", "model": "per_unit", "unit_price": "0.01"},
    {"key": "last", "meter": "last", "model": "per_unit", "unit_price": "0.01"},
    {"key": "seats", "meter": "seats", "model": "per_unit", "unit_price": "5"},
    {
        "key": "share",
        "meter": "tokens",
        "model": "percentage",
        "rate": "0.01",
        "fixed": "0",
        "free_events": "2",
    },
    {
        "key": "solved",
        "meter": "solved",
        "model": "per_unit",
        "unit_price": "2",
        "reversed_by": "ticket.reopened",
        "reversal_days": 30,
    },
    {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.02"},
]

# Day, thousands of tokens, who, and what it is: a call, a solved ticket, or one of these reopened.
USE = st.tuples(
    st.integers(0, 22),
    st.integers(1, 6),
    st.sampled_from(["u1", "u2", "u3"]),
    st.sampled_from(["call", "call", "call", "solved", "reopened"]),
)
USES = st.lists(USE, max_size=6)


def events_of(name: str, uses: list[tuple[int, int, str, str]], tickets: list[str]) -> list[NewEvent]:
    """The uses as events; what is reopened is the latest ticket that anybody has solved by then."""
    made = []
    for n, (day, thousands, user, kind) in enumerate(uses):
        at = START + timedelta(days=day, minutes=n)
        if kind == "call":
            usage = {"input": thousands * 1000}
            made.append(
                call(f"{name}{n}", at, usage=usage, properties={"user": user}, provider="x", model="m")
            )
        elif kind == "solved":
            tickets.append(f"{name}{n}")
            made.append(call(f"{name}{n}", at, type="ticket.solved"))
        elif tickets:
            made.append(call(f"{name}{n}", at, type="ticket.reopened", properties={"reverses": tickets[-1]}))
    return made


ADDING_UP = [charge for charge in CHARGES if charge["key"] in ("tokens", "overage")]


def a_world(charges: list[dict[str, Any]] = CHARGES) -> tuple[Any, Subscription]:
    acme = a_customer()
    a_meter("tokens", "usage.input")
    a_meter("peak", "usage.input", aggregation="max")
    a_meter("last", "usage.input", aggregation="latest")
    a_meter("seats", "properties.user", aggregation="unique")
    a_meter("solved", aggregation="count", event_type="ticket.solved")
    create_table("standard", "Standard", RATES, now=START - timedelta(days=1))
    return acme, subscribe(acme, a_plan(charges, credit_grants=[{"amount": "9", "cost_basis": "0.01"}]))


def store(customer: Any, events: list[NewEvent]) -> None:
    if events:
        store_events(events, now=NOW)
    rate_pending(customer.id, now=NOW)


def through_a_file(events: list[NewEvent]) -> UUID:
    """Have a file with these events checked and closed."""
    head = "id,source,customer,type,time,provider,model,input,properties.user,properties.reverses"
    lines = [
        ",".join(
            [
                *(event.id, event.source, event.customer, event.type, event.occurred_at.isoformat()),
                *(event.provider, event.model, str(event.usage.get("input", ""))),
                *(event.properties.get(name, "") for name in ("user", "reverses")),
            ]
        )
        for event in events
    ]
    backfill = create_backfill(NewBackfill(HowToRead()), now=NOW)
    keep_part(backfill.id, 1, BytesIO("\n".join([head, *lines]).encode()))
    check_backfill(backfill.id, now=NOW)
    run(backfill.id, "ready")
    close_backfill(backfill.id, finalized="refuse", by="", now=NOW)
    run(backfill.id, "closed")
    return backfill.id


def run(backfill_id: UUID, until: str) -> None:
    later = NOW
    while run_due(later, kinds=KINDS):
        later += timedelta(seconds=1)
        assert breaches() == []
    assert Backfill.objects.get(id=backfill_id).state == until


def position(customer: Any, subscription: Subscription) -> dict[str, Any]:
    """All that money is made of."""
    subscription.refresh_from_db()
    buckets = UsageBucket.objects.filter(customer_id=customer.id)
    names = [
        f.name
        for f in UsageBucket._meta.fields
        if f.name not in ("pk", "customer_id", "dimensions_hash", "scope_id")
    ]
    seen = UniqueValue.objects.filter(customer_id=customer.id)
    return {
        "buckets": sorted(
            str([bool(row["scope_id"].int), *(row[name] for name in names)])
            for row in buckets.values(*names, "scope_id")
        ),
        "unique": seen.count(),
        "draws": sorted(
            (d.event_id, d.burn_row, d.token_kind, str(d.credits), str(d.quantity), d.grant_id is None)
            for d in standing_draws(customer.id)
        ),
        "grants": [str(grant.remaining) for grant in CreditGrant.objects.filter(customer_id=customer.id)],
        "lines": [
            (line.charge, line.rated.amount_minor, line.rated.unrounded)
            for line in spend_statement(subscription).lines
        ],
        "events": sorted(Event.objects.filter(customer_id=customer.id).values_list("event_id", flat=True)),
    }


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are taken back by twos, so that few of them need several transactions."""
    monkeypatch.setattr(limits, "BACKFILL_REVERT_ROWS", 2)


@pytest.mark.parametrize("charges", [CHARGES, ADDING_UP], ids=["of all kinds", "that add up"])
@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.generate],
)
@example(
    before=[(0, 1, "u1", "call")],
    brought=[(0, 1, "u1", "call")],
    after=[(0, 1, "u1", "reopened"), (0, 2, "u1", "call")],
)
@given(before=USES, brought=st.lists(USE, min_size=1, max_size=6), after=USES)
def test_closed_and_reverted_is_never(
    charges: Any, before: Any, brought: Any, after: Any, two_at_once: None
) -> None:
    told = []
    for with_a_backfill in (False, True):
        with transaction.atomic():
            forget_everything()  # the world before was rolled back
            tickets: list[str] = []
            customer, subscription = a_world(charges)
            store(customer, events_of("a", before, tickets))
            own = list(tickets)
            file = events_of("f", brought, own)
            if with_a_backfill and file:
                backfill_id = through_a_file(file)
            store(customer, events_of("b", after, tickets))
            if with_a_backfill and file:
                assert breaches() == []
                revert_backfill(backfill_id, by="", now=NOW)
                run(backfill_id, "reverted")
            assert breaches() == []
            told.append(position(customer, subscription))
            transaction.set_rollback(True)
    never, reverted = told
    assert reverted == never


def test_the_preview_says_what_closing_does() -> None:
    customer, subscription = a_world()
    store(customer, events_of("a", [(1, 3, "u1", "call"), (2, 1, "u1", "solved")], []))
    before = spend_statement(subscription).subtotal_minor
    file = events_of(
        "f", [(3, 6, "u2", "call"), (4, 6, "u1", "call"), (5, 1, "u1", "solved"), (6, 1, "", "reopened")], []
    )
    backfill_id = through_a_file(file)
    found = Backfill.objects.get(id=backfill_id).steps.get().found
    (period,) = found["periods"]
    assert period["subtotal_before_minor"] == before
    assert period["subtotal_after_minor"] == spend_statement(subscription).subtotal_minor
    drawn = sum((d.credits for d in standing_draws(customer.id)), Decimal(0))
    assert Decimal(found["credits"]["change"]) == drawn - 3
    assert found["rows"] == [
        {
            "subscription": "main",
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-02-01T00:00:00Z",
            "state": "open",
            "rows": 4,
        }
    ]


def test_a_revert_that_dies_between_its_rows_goes_on_where_it_was(two_at_once: None) -> None:
    customer, subscription = a_world(ADDING_UP)
    never = position(customer, subscription)
    backfill_id = through_a_file(events_of("f", [(day, 2, "u1", "call") for day in range(5)], []))
    revert_backfill(backfill_id, by="", now=NOW)
    left = []
    for n in range(6):
        if n % 2 == 0:
            with armed("billing.backfills.reverting.before_commit", _die):
                run_due(NOW + timedelta(hours=n), kinds=KINDS, limit=1)
        else:
            run_due(NOW + timedelta(hours=n), kinds=KINDS, limit=1)
        assert breaches() == []
        backfill = Backfill.objects.get(id=backfill_id)
        progress = progress_of(backfill)
        left.append((backfill.state, progress.all - progress.done if progress.of == "rows taken back" else 0))
    assert left == [
        *[("reverting", 5), ("reverting", 3), ("reverting", 3), ("reverting", 1), ("reverting", 1)],
        ("reverted", 0),
    ]
    assert position(customer, subscription) == never


def _die() -> None:
    raise RuntimeError("killed")
