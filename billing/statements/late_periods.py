"""Invoiced periods into which something has come since, and why: the next invoice says it to the customer."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from billing.models import LatePeriod

# In place of a charge, where any line of the period may differ.
ANY_LINE = ""


class Cause(StrEnum):
    """Why a period comes to something else than was billed. The words stand before "of the period from …"."""

    USAGE = "usage"
    REVERSAL = "reversal"
    WITHDRAWN = "withdrawn"
    REPORT = "report"
    PRICE = "price"
    CREDIT_RATE = "credit_rate"
    LATE_PRICE = "late_price"
    REDRAWN = "redrawn"
    PLAN = "plan"

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Cause.USAGE: "late usage",
    Cause.REVERSAL: "reversed usage",
    Cause.WITHDRAWN: "withdrawn usage",
    Cause.REPORT: "fuller reports of calls",
    Cause.PRICE: "corrected price",
    Cause.CREDIT_RATE: "corrected credit rates",
    Cause.LATE_PRICE: "late price",
    Cause.REDRAWN: "credits drawn anew",
    Cause.PLAN: "corrected plan",
}

# Causes by the line that they moved: see ``line_of``.
Causes = Mapping[str, Collection[str]]


class LatePlace(NamedTuple):
    """A subscription's invoiced period."""

    subscription_id: UUID
    start: datetime
    end: datetime


def line_of(segment_id: UUID | None, charge: str) -> str:
    """How a period's causes name a line: the stretch and its charge."""
    return ANY_LINE if segment_id is None else f"{segment_id.hex}:{charge}"


def causes_of(causes: Causes, line: str) -> list[Cause]:
    """Why a line differs, in the order of ``Cause``: its own causes, and those that may be any line's.

    One that has none differs through another, for example by an allowance that they share: then it has all of them.
    """
    own = {*causes.get(line, ()), *causes.get(ANY_LINE, ())}
    told = own or {cause for several in causes.values() for cause in several}
    return [cause for cause in Cause if cause in told]


class LatePeriods:
    """The late periods of a run of events, noted as they come and written at its end."""

    def __init__(self) -> None:
        self._noted: dict[LatePlace, dict[str, set[Cause]]] = defaultdict(lambda: defaultdict(set))

    def note(self, place: LatePlace, causes: Mapping[str, Cause]) -> None:
        """Something has moved these lines of the period."""
        for line, cause in causes.items():
            self._noted[place][line].add(cause)

    def write(self, customer_id: int) -> None:
        """Add to what is noted of these periods already. The caller holds the customer's lock."""
        for place, causes in self._noted.items():
            note_late(customer_id, place, causes)
        self._noted.clear()


def note_late(
    customer_id: int, place: LatePlace, causes: Mapping[str, Iterable[Cause]], *, corrected: bool = False
) -> None:
    """Have the period's difference put on the next invoice, with these causes beside those known already.

    ``corrected`` where its plan was put right. The caller holds the customer's lock.
    """
    row = LatePeriod.objects.filter(
        customer_id=customer_id, subscription_id=place.subscription_id, period_start=place.start
    ).first() or LatePeriod(
        customer_id=customer_id, subscription_id=place.subscription_id, period_start=place.start
    )
    told = {line: {*row.causes.get(line, ()), *causes.get(line, ())} for line in {*row.causes, *causes}}
    row.causes = {line: sorted(told[line]) for line in sorted(told)}
    row.period_end = place.end
    row.corrected = row.corrected or corrected
    row.save()
