"""What can be measured of events: each measure, the sums that it is made of, and who may see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import CONTEXT, ZERO, plain
from metering.event_columns import ATTEMPT, FAILED, Sql, usage_column
from metering.event_paths import USAGE, PathError

RETRIED = f"{ATTEMPT} > 1"
CREDITS = "coalesce(d.credits, 0)"

# Sums over events. Each adds up, so that what is not shown of a list can be told to the last digit.
EVENT_SUMS: Mapping[str, Sql] = {
    "events": Sql("1"),
    "quantity": Sql("e.quantity"),
    "tokens": usage_column("usage.tokens"),
    "cost": Sql("e.cost"),
    "credits": Sql(CREDITS),
    "failed": Sql(f"CASE WHEN {FAILED} THEN 1 ELSE 0 END"),
    "failed_cost": Sql(f"CASE WHEN {FAILED} THEN e.cost ELSE 0 END"),
    "failed_credits": Sql(f"CASE WHEN {FAILED} THEN {CREDITS} ELSE 0 END"),
    "retries": Sql(f"CASE WHEN {RETRIED} THEN 1 ELSE 0 END"),
    "retry_cost": Sql(f"CASE WHEN {RETRIED} THEN e.cost ELSE 0 END"),
    "retry_credits": Sql(f"CASE WHEN {RETRIED} THEN {CREDITS} ELSE 0 END"),
    "latency_total": Sql("coalesce(e.latency_ms, 0)"),
    "latency_known": Sql("CASE WHEN e.latency_ms IS NULL THEN 0 ELSE 1 END"),
}
# The same from the hourly sums of all calls, which hold no more than these.
BUCKET_SUMS: Mapping[str, Sql] = {
    "events": Sql("b.events"),
    "tokens": Sql("b.quantity"),
    "cost": Sql("b.cost"),
    "credits": Sql("b.credits"),
    "failed": Sql("CASE WHEN b.dimensions->>'status' = 'failed' THEN b.events ELSE 0 END"),
    "failed_cost": Sql("CASE WHEN b.dimensions->>'status' = 'failed' THEN b.cost ELSE 0 END"),
    "charges": Sql("b.amount"),
    "prepaid": Sql("b.prepaid"),
}
# Parts of an event by kind of token; ``k`` is the kind.
KIND_SUMS: Mapping[str, Sql] = {
    "tokens": Sql("k.tokens"),
    "cost": Sql("k.cost"),
    "failed_cost": Sql(f"CASE WHEN {FAILED} THEN k.cost ELSE 0 END"),
    "retry_cost": Sql(f"CASE WHEN {RETRIED} THEN k.cost ELSE 0 END"),
}


@dataclass(frozen=True)
class Measure:
    """One measure: its name, the sums it needs, and whether it is the operator's business alone."""

    name: str
    sums: tuple[str, ...]
    label: str
    for_operators: bool = False
    whole: bool = False
    money: str = ""

    def of(self, sums: Mapping[str, Decimal]) -> Decimal | None:
        """Its value from sums; None where it is a mean of nothing."""
        if self.name == "latency":
            known = sums["latency_known"]
            mean = CONTEXT.divide(sums["latency_total"], known) if known else None
            return None if mean is None else mean.quantize(Decimal("0.1"), context=CONTEXT)
        if self.name == "revenue":
            return CONTEXT.add(sums["charges"], sums["prepaid"])
        if self.name == "margin":
            return CONTEXT.subtract(CONTEXT.add(sums["charges"], sums["prepaid"]), sums["cost"])
        return sums[self.name]

    def shown(self, sums: Mapping[str, Decimal]) -> Any:
        """Its value as the API writes it."""
        value = self.of(sums)
        return None if value is None else int(value) if self.whole else plain(value)

    @property
    def rank(self) -> str:
        """What groups are sorted by, largest first, in terms of the sums."""
        if self.name == "latency":
            return "coalesce(latency_total::numeric / nullif(latency_known, 0), 0)"
        if self.name in ("revenue", "margin"):
            return "charges + prepaid" + (" - cost" if self.name == "margin" else "")
        return sum_name(self.name)


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("cost", ("cost",), "Provider cost", for_operators=True, money="cost"),
        Measure("events", ("events",), "Calls", whole=True),
        Measure("tokens", ("tokens",), "Tokens"),
        Measure("quantity", ("quantity",), "Quantity"),
        Measure("credits", ("credits",), "Credits"),
        Measure("latency", ("latency_total", "latency_known"), "Mean latency, ms"),
        Measure("failed", ("failed",), "Failed calls", whole=True),
        Measure("failed_cost", ("failed_cost",), "Cost of failed calls", for_operators=True, money="cost"),
        Measure("failed_credits", ("failed_credits",), "Credits of failed calls"),
        Measure("retries", ("retries",), "Retries", whole=True),
        Measure("retry_cost", ("retry_cost",), "Cost of retries", for_operators=True, money="cost"),
        Measure("retry_credits", ("retry_credits",), "Credits of retries"),
        Measure("charges", ("charges",), "Price of the calls", money="own"),
        Measure("revenue", ("charges", "prepaid"), "Revenue of the calls", for_operators=True, money="own"),
        Measure(
            "margin", ("charges", "prepaid", "cost"), "Margin of the calls", for_operators=True, money="own"
        ),
    )
}
# What only the hourly sums know: the calls' own prices, and what burnt credits were sold for.
OF_BUCKETS = ("charges", "revenue", "margin")
DEFAULT_FOR_OPERATORS = ("cost", "events", "tokens")
DEFAULT_FOR_CUSTOMERS = ("tokens", "events")


def measure_named(name: str) -> Measure:
    """The measure; ``usage.BUCKET`` is one for each bucket and sum of buckets. Raises ``PathError``."""
    if name in MEASURES:
        return MEASURES[name]
    if name.startswith(USAGE):
        usage_column(name)
        return Measure(name, (name,), name)
    raise PathError(f"{name[:80]!r} is no measure; write one of {', '.join(MEASURES)} or usage.BUCKET.")


def sums_of(measures: Sequence[Measure]) -> tuple[str, ...]:
    """Every sum that the measures need, once."""
    return tuple(dict.fromkeys(name for measure in measures for name in measure.sums))


def sum_name(name: str) -> str:
    """What a sum's column is called: ours by their names, a bucket's with underscores for its dots."""
    return name.replace(".", "_")


def event_sum(name: str) -> Sql:
    return EVENT_SUMS[name] if name in EVENT_SUMS else usage_column(name)


def nothing(names: Sequence[str]) -> dict[str, Decimal]:
    """The sums of no events."""
    return dict.fromkeys(names, ZERO)
