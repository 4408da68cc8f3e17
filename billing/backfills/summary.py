"""A backfill as the API and the console show it."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from django.db.models import Count

from core.ids import public_id
from core.money import ZERO, exact, plain
from core.times import render_time
from metering.backfills.comparing import outcomes_of
from metering.models import Backfill, BackfillRow, BackfillStep

PREFIX = "bf"
FINALIZED_SHOWN_MAX = 100
STEPS_AT_ONCE = 500


def backfill_json(row: Backfill) -> dict[str, Any]:
    """The backfill itself, without its rows."""
    return {
        "id": public_id(PREFIX, row.id),
        "state": row.state,
        "reason": row.reason or None,
        "customer": None if row.customer is None else row.customer.key,
        "note": row.note,
        "file": {
            "bytes": row.file_bytes,
            "sha256": row.file_hash or None,
            "format": row.format or None,
        },
        "rows": {"read": row.rows_read, "total": row.rows_total},
        "created_at": render_time(row.created_at),
        "created_by": row.created_by,
        "closed_at": None if row.closed_at is None else render_time(row.closed_at),
        "closed_by": row.closed_by,
        "reverted_at": None if row.reverted_at is None else render_time(row.reverted_at),
        "reverted_by": row.reverted_by,
    }


def in_full(row: Backfill) -> dict[str, Any]:
    """The backfill with what its rows are, and what they would change."""
    return backfill_json(row) | {
        "reading": row.reading,
        "columns": [{"column": column, "field": name} for column, name in row.columns],
        "outcomes": outcome_counts(row),
        "parts": part_counts(row),
        "total": totals(row),
        "finalized": finalized_periods(row),
    }


def outcome_counts(row: Backfill) -> dict[str, int]:
    """How many rows have each outcome, all outcomes named."""
    return dict.fromkeys(BackfillRow.Outcome.values, 0) | outcomes_of(row.id)


def part_counts(row: Backfill) -> dict[str, int]:
    """How many customers' parts are in each state."""
    found = dict(row.steps.values_list("state").annotate(count=Count("customer_id")))
    return dict.fromkeys(BackfillStep.State.values, 0) | found


@exact
def totals(row: Backfill) -> dict[str, Any]:
    """What the preview found for all customers together."""
    customers = unpriced = 0
    cost = credits = overage = ZERO
    charges: dict[str, Counter[str]] = defaultdict(Counter)
    for (found,) in row.steps.exclude(found=None).values_list("found").iterator(chunk_size=STEPS_AT_ONCE):
        if found is None:
            continue
        customers += 1
        unpriced += found["unpriced"]
        cost += Decimal(found["cost"]["change"])
        credits += Decimal(found["credits"]["change"])
        overage += Decimal(found["overage"]["change"])
        for period in found["periods"]:
            moved = period["subtotal_after_minor"] - period["subtotal_before_minor"]
            charges[period["currency"]][period["state"]] += moved
    return {
        "customers": customers,
        "cost": plain(cost),
        "credits": plain(credits),
        "overage": plain(overage),
        "unpriced": unpriced,
        "charges": {currency: dict(states) for currency, states in sorted(charges.items())},
    }


def finalized_periods(row: Backfill) -> list[dict[str, Any]]:
    """The invoiced periods that the preview found rows in."""
    told: list[dict[str, Any]] = []
    steps = row.steps.exclude(finalized=[]).order_by("customer_id").values_list("finalized", flat=True)
    for periods in steps[:FINALIZED_SHOWN_MAX]:
        told += periods
    return told[:FINALIZED_SHOWN_MAX]


def step_json(step: BackfillStep) -> dict[str, Any]:
    """One customer's part of it."""
    return {
        "customer": step.customer.key,
        "state": step.state,
        "new": step.new,
        "found": step.found,
        "finalized": step.finalized,
    }


def row_json(row: BackfillRow) -> dict[str, Any]:
    """One row, and why it is not taken."""
    received = row.received or {}
    return {
        "row": row.n,
        "outcome": row.outcome,
        "column": row.column or None,
        "reason": row.reason,
        "id": row.event_id or None,
        "source": row.source or None,
        "cells": received.get("cells"),
    }
