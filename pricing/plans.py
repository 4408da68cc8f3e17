"""Plans and their versions: drafted, published, retired. What is published never changes; a change is a new
version.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, QuerySet

from core import limits, texts
from core.problems import Conflict, FieldError, Invalid, NotFound
from pricing.cost_currency import fields_that_follow_cost, in_another_currency
from pricing.models import BurnTable, Plan, PlanVersion
from pricing.plan_corrections import Correction, retire_what_it_corrects, version_to_correct
from pricing.plan_terms import PlanTerms, read_terms

__all__ = ["PlanTerms", "read_terms"]

Status = PlanVersion.Status
KnownMeters = Callable[[Iterable[str]], set[str]]
_known_meters: KnownMeters | None = None


@dataclass(frozen=True)
class TermChange:
    """One difference between two versions: where, and both values as JSON; None where one has nothing there."""

    field: str
    before: Any
    after: Any


def hand_over_meters(known: KnownMeters) -> None:
    """Name the function that says which of some keys are meters: this room knows none itself."""
    global _known_meters
    _known_meters = known


def create_plan(terms: PlanTerms, *, now: datetime) -> PlanVersion:
    """Make a plan with the terms as its first version, a draft. Raises ``Conflict`` when the key is taken."""
    try:
        with transaction.atomic():
            plan = Plan.objects.create(key=terms.key, name=terms.name, created_at=now)
    except IntegrityError:
        raise Conflict(f"There is a plan with the key {terms.key!r} already; add a version to it.") from None
    return PlanVersion.objects.create(plan=plan, number=1, terms=terms.as_json(), created_at=now)


@transaction.atomic
def add_version(
    plan: Plan, terms: PlanTerms, *, now: datetime, correction: Correction | None = None
) -> PlanVersion:
    """Draft the plan's next version. Whoever has an older one keeps it.

    With a ``correction`` it puts an older one right: see ``billing.recounts.plan_corrections``. Raises ``Invalid`` for another
    currency, and where ``version_to_correct`` does.
    """
    Plan.objects.select_for_update().get(pk=plan.pk)
    _refuse_another_currency(plan.versions.all(), terms)
    wrong = None if correction is None else version_to_correct(plan, terms, correction, now=now)
    last: int = plan.versions.aggregate(last=Max("number"))["last"] or 0
    return PlanVersion.objects.create(
        plan=plan,
        number=last + 1,
        terms=terms.as_json(),
        created_at=now,
        corrects=wrong,
        effective_at=None if correction is None else correction.effective_at,
        note="" if correction is None else correction.note,
    )


@transaction.atomic
def rewrite_draft(version: PlanVersion, terms: PlanTerms, *, now: datetime) -> PlanVersion:
    """Replace all terms of a draft. Raises ``Conflict`` when it is no draft any more, ``Invalid`` for another currency
    than the plan is sold in, or for what the correction of a version must keep.
    """
    rows = PlanVersion.objects.select_for_update(of=("self",)).select_related("plan", "corrects")
    version = rows.get(pk=version.pk)
    if version.status != Status.DRAFT:
        raise Conflict("This version is published and fixed for ever; draft a new one.")
    _refuse_another_currency(version.plan.versions.exclude(pk=version.pk), terms)
    if version.corrects is not None:
        correction = Correction(version.corrects.number, version.note, version.effective_at)
        version_to_correct(version.plan, terms, correction, now=now)
    version.terms = terms.as_json()
    version.save(update_fields=["terms"])
    return version


@transaction.atomic
def publish_version(version: PlanVersion, *, now: datetime) -> PlanVersion:
    """Make a draft sellable and fixed for ever; the version it corrects, if any, is sold no more. Publishing again
    changes nothing.

    Raises ``Invalid`` when a charge names a meter or burn table that does not exist, or follows the provider's cost in
    another currency than that has, ``Conflict`` when the version is retired, or corrects one that another has
    corrected since.
    """
    version = PlanVersion.objects.select_for_update(of=("self",)).select_related("plan").get(pk=version.pk)
    if version.status == Status.RETIRED:
        raise Conflict("This version is retired; add a new version with its terms.")
    if version.status == Status.DRAFT:
        _check_references(PlanTerms.of(version))
        retire_what_it_corrects(version, now=now)
        version.status, version.published_at = Status.PUBLISHED, now
        version.save(update_fields=["status", "published_at"])
        Plan.objects.filter(pk=version.plan_id).update(name=version.terms["name"])
        version.plan.name = version.terms["name"]
    return version


@transaction.atomic
def retire_version(version: PlanVersion, *, now: datetime) -> PlanVersion:
    """Sell the version no more; whoever has it keeps it. Retiring again changes nothing. Raises ``Conflict``
    for a draft.
    """
    version = PlanVersion.objects.select_for_update(of=("self",)).select_related("plan").get(pk=version.pk)
    if version.status == Status.DRAFT:
        raise Conflict("This version is a draft, which nobody can buy; there is nothing to retire.")
    if version.status == Status.PUBLISHED:
        version.status, version.retired_at = Status.RETIRED, now
        version.save(update_fields=["status", "retired_at"])
    return version


def plan_by_key(key: str) -> Plan:
    """The plan. Raises ``NotFound``."""
    plan = Plan.objects.filter(key=key).first() if texts.KEY.fullmatch(key) else None
    if plan is None:
        raise NotFound("There is no plan with that key.")
    return plan


def version_of(plan_key: str, number: int) -> PlanVersion:
    """One version of the plan. Raises ``NotFound``."""
    plan = plan_by_key(plan_key)
    version = (
        plan.versions.select_related("plan").filter(number=number).first()
        if number <= limits.PLAN_VERSIONS_MAX
        else None
    )
    if version is None:
        raise NotFound("The plan has no such version.")
    return version


def diff_terms(before: PlanTerms, after: PlanTerms) -> list[TermChange]:
    """What differs, field by field; charges are compared by their keys, other lists as a whole."""
    return list(_differences("", _by_charge(before), _by_charge(after)))


def _by_charge(terms: PlanTerms) -> dict[str, Any]:
    return terms.as_json() | {"charges": {charge.key: charge.as_json() for charge in terms.charges}}


def _differences(path: str, before: Any, after: Any) -> Iterator[TermChange]:
    if not isinstance(before, dict) or not isinstance(after, dict):
        if before != after:
            yield TermChange(path, before, after)
        return
    for name in [*before, *(name for name in after if name not in before)]:
        place = f"{path}.{name}" if path else name
        yield from _differences(place, before.get(name), after.get(name))


def _refuse_another_currency(others: QuerySet[PlanVersion], terms: PlanTerms) -> None:
    first = others.order_by("number").first()
    if first is not None and first.terms["currency"] != terms.currency:
        detail = f"The plan is sold in {first.terms['currency']}; make another plan for another currency."
        raise Invalid.one("currency", "fixed", detail)


def _check_references(terms: PlanTerms) -> None:
    assert _known_meters is not None, "the wiring hands over which meters there are"
    meters = _known_meters(terms.meters)
    tables = set(BurnTable.objects.filter(key__in=terms.burn_tables).values_list("key", flat=True))
    errors = []
    for index, charge in enumerate(terms.charges):
        table = charge.burn_table
        if charge.meter is not None and charge.meter not in meters:
            detail = f"There is no meter with the key {charge.meter!r}; make it first."
            errors.append(FieldError(f"charges[{index}].meter", "unknown_meter", detail))
        if table and table not in tables:
            detail = f"There is no burn table with the key {table!r}; make it first."
            errors.append(FieldError(f"charges[{index}].burn_table", "unknown_burn_table", detail))
    if terms.burn_table and terms.burn_table not in tables:
        detail = f"There is no burn table with the key {terms.burn_table!r}; make it first."
        errors.append(FieldError("burn_table", "unknown_burn_table", detail))
    following = [
        field
        for index, charge in enumerate(terms.charges)
        for field in fields_that_follow_cost(charge, f"charges[{index}].")
    ] + (["margin_floor"] if terms.margin_floor is not None else [])
    errors += in_another_currency(terms.currency, following)
    if errors:
        raise Invalid(errors[0].detail, tuple(errors))
