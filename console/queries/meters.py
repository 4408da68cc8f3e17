"""Meters as the console shows them: what each counts, in words, and the plans that charge for it."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from metering.models import Meter
from pricing.models import PlanVersion

WORDS = {
    Meter.Aggregation.SUM: "the sum of",
    Meter.Aggregation.MAX: "the highest",
    Meter.Aggregation.LATEST: "the latest",
    Meter.Aggregation.UNIQUE: "how many different",
}


@dataclass(frozen=True)
class MeterRow:
    meter: Meter
    counts: str
    plans: tuple[str, ...]


def meters_like(search: str) -> QuerySet[Meter]:
    """Meters whose key, name or type of event holds the words; all where there are none."""
    rows = Meter.objects.all()
    if not search:
        return rows
    return rows.filter(Q(key__icontains=search) | Q(name__icontains=search) | Q(event_type__icontains=search))


def meter_rows(meters: Sequence[Meter]) -> list[MeterRow]:
    """What the table shows of these meters. Two queries, however many there are."""
    plans: dict[str, set[str]] = defaultdict(set)
    for key, charges in PlanVersion.objects.values_list("plan__key", "terms__charges"):
        for charge in charges or ():
            plans[charge.get("meter") or ""].add(key)
    return [MeterRow(meter, counted(meter), tuple(sorted(plans[meter.key]))) for meter in meters]


def counted(meter: Meter) -> str:
    """What the meter counts, in words.

    >>> counted(Meter(aggregation="sum", value="usage.output", filter={"model": ["opus", "sonnet"]}))
    'the sum of usage.output, where model is opus or sonnet'
    >>> counted(Meter(aggregation="count", group_by=["model"]))
    'events, by model'
    """
    words = f"{WORDS[Meter.Aggregation(meter.aggregation)]} {meter.value}" if meter.value else "events"
    told = [words]
    told += [f"where {path} is {' or '.join(values)}" for path, values in meter.filter.items()]
    told += [f"by {' and '.join(meter.group_by)}"] if meter.group_by else []
    return ", ".join(told)
