"""Backfills as the console shows them: how far each is, and what its rows are and would change."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from billing.backfills.rejected import NOT_TAKEN
from billing.backfills.summary import finalized_periods, outcome_counts, part_counts, totals
from core.models import DueWork
from customers.models import Customer
from metering.models import Backfill, BackfillRow, BackfillStep

KINDS = ("backfill.check", "backfill.look", "backfill.close", "backfill.revert")
RUNNING = (Backfill.State.CHECKING, Backfill.State.CLOSING, Backfill.State.REVERTING)
ROWS_SHOWN = 50


@dataclass(frozen=True)
class Progress:
    """How much of what is going on is done, of how much, and how much of it waits for a person."""

    done: int
    all: int
    of: str
    parked: int


@dataclass(frozen=True)
class Line:
    """What a customer's rows would change, or have changed."""

    customer_id: int
    key: str
    name: str
    zone: str
    state: str
    new: int
    cost: Decimal
    credits: Decimal
    currency: str
    charges: int
    periods: list[dict[str, Any]]
    places: list[dict[str, Any]]


def backfills() -> QuerySet[Backfill]:
    """All of them, with their customers."""
    return Backfill.objects.select_related("customer")


def summary_of(row: Backfill) -> dict[str, Any]:
    """The counts of its rows, and what all of them together come to."""
    counts = outcome_counts(row)
    told = totals(row)
    return {
        "counts": counts,
        "not_taken": sum(counts[outcome] for outcome in NOT_TAKEN),
        "cost": Decimal(told["cost"]),
        "credits": Decimal(told["credits"]),
        "overage": Decimal(told["overage"]),
        "unpriced": told["unpriced"],
        "customers": told["customers"],
        "charges": [
            (currency, state, minor)
            for currency, states in told["charges"].items()
            for state, minor in sorted(states.items())
        ],
        "finalized": _with_zones(finalized_periods(row)),
    }


def _with_zones(periods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The periods, each with the zone of its customer: its days are local ones."""
    customers = Customer.objects.filter(key__in={period["customer"] for period in periods})
    zones = dict(customers.values_list("key", "timezone"))
    return [{**period, "zone": zones[period["customer"]]} for period in periods]


def progress_of(row: Backfill) -> Progress:
    """How far the work that is under way has come."""
    parked = DueWork.objects.filter(kind__in=KINDS, key=row.id.hex).exclude(parked_at=None).count()
    parts = part_counts(row)
    customers = sum(parts.values())
    if row.state == Backfill.State.CHECKING and row.rows_total is None:
        return Progress(row.rows_read, 0, "rows read", parked)
    if row.state == Backfill.State.REVERTING:
        counts = outcome_counts(row)
        gone = counts["withdrawn"] + counts["kept"]
        return Progress(gone, gone + counts["stored"], "rows taken back", parked)
    waiting = {
        Backfill.State.CHECKING: parts["waiting"],
        Backfill.State.CLOSING: parts["waiting"] + parts["found"],
    }.get(Backfill.State(row.state), 0)
    return Progress(customers - waiting, customers, "customers done", parked)


def lines_of(row: Backfill) -> QuerySet[BackfillStep]:
    """Its customers' parts."""
    return row.steps.select_related("customer")


def line_of(step: BackfillStep) -> Line:
    found: dict[str, Any] = step.found or {}
    periods = found.get("periods", [])
    moved = [p for p in periods if p["subtotal_after_minor"] != p["subtotal_before_minor"]]
    return Line(
        step.customer_id,
        step.customer.key,
        step.customer.name,
        step.customer.timezone,
        step.state,
        step.new,
        Decimal(found["cost"]["change"]) if found else Decimal(0),
        Decimal(found["credits"]["change"]) if found else Decimal(0),
        periods[0]["currency"] if periods else step.customer.currency,
        sum(p["subtotal_after_minor"] - p["subtotal_before_minor"] for p in periods),
        moved,
        found.get("rows", []),
    )


def first_not_taken(row: Backfill) -> list[BackfillRow]:
    """The first rows that are not taken; the CSV has all."""
    rows = BackfillRow.objects.filter(backfill=row, outcome__in=NOT_TAKEN)
    return list(rows.order_by("n")[:ROWS_SHOWN])
