"""One version of a plan: its terms in words, and what it changes against another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from console.queries.plans import VersionPage, plan_pages
from core.problems import NotFound
from metering.models import Meter
from metering.units import unit_of
from pricing.charge_words import charge_words
from pricing.models import Plan, PlanVersion
from pricing.plan_terms import PlanTerms
from pricing.plans import TermChange, diff_terms

LABELS = {
    "fee": "Fee",
    "name": "Name",
    "interval": "Period",
    "fee_timing": "Fee is billed",
    "proration": "Part of a period by the",
    "credit_grants": "Credits each period",
    "on_exhausted": "When credits run out",
    "burn_table": "Burn table",
    "commitment.amount": "Commitment",
    "commitment": "Commitment",
    "discount_percent": "Discount, %",
    "cap": "Cap of the margin floor",
    "trial_days": "Trial, days",
    "margin_floor": "Margin floor",
    "margin_floor.rate": "Margin floor",
    "margin_floor.on_breach": "Below the floor",
}


@dataclass(frozen=True)
class ChangeWords:
    """One difference, both sides in words; nothing where a side has nothing there."""

    what: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class VersionInFull:
    """A version beside the one it is compared with, if there is any."""

    plan: Plan
    page: VersionPage
    others: tuple[PlanVersion, ...]
    against: PlanVersion | None
    changes: tuple[ChangeWords, ...]


def version_in_full(key: str, number: int, against: int | None) -> VersionInFull:
    """The version, compared with ``against``, else with the one on sale before it, else the one before it.

    Raises ``NotFound``.
    """
    plan, pages = plan_pages(key)
    page = next((page for page in pages if page.version.number == number), None)
    if page is None:
        raise NotFound("The plan has no such version.")
    others = tuple(other.version for other in pages if other.version.number != number)
    other = next((one for one in others if one.number == against), None) or _before(others, number)
    changes = difference(other, page.version) if other is not None else ()
    return VersionInFull(plan, page, others, other, changes)


def difference(before: PlanVersion, after: PlanVersion) -> tuple[ChangeWords, ...]:
    """What differs, in words: charges as sentences, the other terms by their names."""
    old, new = PlanTerms.of(before), PlanTerms.of(after)
    told = diff_terms(old, new)
    plain = [_plain(change) for change in told if not change.field.startswith("charges.")]
    was = {charge.key: charge.as_json() for charge in old.charges}
    becomes = {charge.key: charge.as_json() for charge in new.charges}
    charges = []
    units = {meter.key: unit_of(meter) for meter in Meter.objects.all()}
    for key in [*was, *(key for key in becomes if key not in was)]:
        one, other = was.get(key), becomes.get(key)
        if one != other:
            charges.append(_charge(key, one, other, old.currency, told, units))
    return (*plain, *charges)


def _before(others: Iterable[PlanVersion], number: int) -> PlanVersion | None:
    earlier = [other for other in others if other.number < number]
    on_sale = [other for other in earlier if other.status == PlanVersion.Status.PUBLISHED]
    return max(on_sale or earlier, key=lambda other: other.number, default=None)


def _charge(
    key: str,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    currency: str,
    told: Iterable[TermChange],
    units: Mapping[str, str],
) -> ChangeWords:
    was, becomes = (
        tuple(charge_words(charge, currency, units.get(charge.get("meter") or "", "unit"))) if charge else ()
        for charge in (before, after)
    )
    if was == becomes:
        # What the sentences leave unsaid: how it is shared, which meter counts.
        own = [change for change in told if change.field.startswith(f"charges.{key}.")]
        was = tuple(f"{_last(change)}: {_value(change.before)}" for change in own)
        becomes = tuple(f"{_last(change)}: {_value(change.after)}" for change in own)
    return ChangeWords(f"Charge {key}", was, becomes)


def _plain(change: TermChange) -> ChangeWords:
    label = LABELS.get(change.field, change.field.replace("_", " "))
    return ChangeWords(label, (_value(change.before),), (_value(change.after),))


def _last(change: TermChange) -> str:
    return change.field.rpartition(".")[2].replace("_", " ")


def _value(value: Any) -> str:
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(_value(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(
            f"{name.replace('_', ' ')} {_value(item)}" for name, item in value.items() if item is not None
        )
    return str(value).replace("_", " ")
