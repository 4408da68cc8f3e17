"""Usage from the hourly buckets, as a statement reads it: a stretch's charges and calls together, in one query."""

from uuid import UUID

from billing.subscriptions.terms import MeteredCharge, Stretch
from core.periods import Period
from metering.usage import CALLS, UsageRow, usage_between, usage_by_series
from pricing.engine.usage import Usage


def bucket_usage(stretch: Stretch, metered: MeteredCharge | None, period: Period) -> list[Usage]:
    """The usage of one charge from the hourly buckets.

    Where none is named: all calls of the stretch, with their cost, and as ``amount`` the money at which the credits they
    burnt were granted.
    """
    series = CALLS if metered is None else metered.charge.key
    aggregation = "sum" if metered is None else metered.aggregation
    rows = usage_between(
        stretch.subscription.customer_id,
        stretch.segment_id,
        series,
        period.start,
        period.end,
        aggregation=aggregation,
    )
    return _usages(rows, metered)


class BucketReader:
    """Reads as ``bucket_usage`` does, all that a stretch counted in a period at its first question."""

    def __init__(self) -> None:
        self._known: dict[tuple[UUID, Period], dict[str, list[UsageRow]]] = {}

    def __call__(self, stretch: Stretch, metered: MeteredCharge | None, period: Period) -> list[Usage]:
        place = (stretch.segment_id, period)
        if place not in self._known:
            aggregations = {one.charge.key: one.aggregation for one in stretch.charges}
            self._known[place] = usage_by_series(
                stretch.subscription.customer_id,
                stretch.segment_id,
                {**aggregations, CALLS: "sum"},
                period.start,
                period.end,
            )
        series = CALLS if metered is None else metered.charge.key
        return _usages(self._known[place].get(series, []), metered)


def _usages(rows: list[UsageRow], metered: MeteredCharge | None) -> list[Usage]:
    if metered is None:
        return [Usage(events=row.sums.events, amount=row.sums.prepaid, cost=row.sums.cost) for row in rows]
    return [_usage(row) for row in rows]


def _usage(row: UsageRow) -> Usage:
    sums = row.sums
    return Usage(
        row.dimensions,
        sums.quantity,
        sums.events,
        sums.amount,
        sums.cost,
        sums.lift,
        sums.credits,
        sums.covered,
    )
