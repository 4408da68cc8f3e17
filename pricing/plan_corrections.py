"""Versions of a plan that put another one right: sold by mistake with a wrong fee, tier or allowance.

The wrong version stays as it was published. Its correction says which one it is, from when on, and why; a re-rating
carries it to those who had the wrong one.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core import limits
from core.fields import Fields
from core.problems import Conflict, FieldError, Invalid
from pricing.models import Plan, PlanVersion
from pricing.plan_terms import PlanTerms

Status = PlanVersion.Status
FIELDS = ("corrects", "effective_at", "note")
# What a subscription was begun with, and the periods it was billed by, cannot be other than they were.
KEPT = ("interval", "trial_days")


@dataclass(frozen=True)
class Correction:
    """Which version is put right, why, and for what happened from when on; ``None`` = from its beginning."""

    number: int
    note: str
    effective_at: datetime | None = None


def split_correction(data: Any) -> tuple[Any, Correction | None]:
    """A new version's JSON as its terms, and what it corrects, if anything. Raises ``Invalid``."""
    if not isinstance(data, dict):
        return data, None
    own = {name: data[name] for name in FIELDS if data.get(name) is not None}
    terms = {name: value for name, value in data.items() if name not in FIELDS}
    if not own:
        return terms, None
    fields = Fields(own)
    correction = Correction(
        fields.integer("corrects", least=1, most=limits.PLAN_VERSIONS_MAX),
        fields.text("note", most=limits.REASON_CHARACTERS_MAX),
        fields.time("effective_at", None),
    )
    fields.done()
    return terms, correction


def version_to_correct(plan: Plan, terms: PlanTerms, correction: Correction, *, now: datetime) -> PlanVersion:
    """The version that the terms may put right.

    Raises ``Invalid`` for one that was never sold or has been corrected, for a start that is not past, and where the
    terms change what a correction must keep.
    """
    wrong = plan.versions.filter(number=correction.number).exclude(status=Status.DRAFT).first()
    if wrong is None:
        detail = f"The plan has no published version {correction.number}; a draft is changed, not corrected."
        raise Invalid.one("corrects", "not_published", detail)
    _refuse_corrected(wrong)
    if correction.effective_at is not None and correction.effective_at > now:
        detail = (
            "It lies ahead: a correction is of the past. Publish a new version, and move subscribers to it."
        )
        raise Invalid.one("effective_at", "future", detail)
    _refuse_unlike(wrong, terms)
    return wrong


def _refuse_unlike(wrong: PlanVersion, terms: PlanTerms) -> None:
    errors = tuple(
        FieldError(name, "fixed", f"A correction keeps the {name} of version {wrong.number}.")
        for name in KEPT
        if getattr(PlanTerms.of(wrong), name) != getattr(terms, name)
    )
    if errors:
        raise Invalid(errors[0].detail, errors)


def _refuse_corrected(wrong: PlanVersion) -> None:
    newer = standing_correction(wrong)
    if newer is not None:
        detail = f"Version {wrong.number} has been corrected by version {newer.number}; correct that one."
        raise Invalid.one("corrects", "corrected", detail)


def standing_correction(version: PlanVersion) -> PlanVersion | None:
    """The published version that puts this one right; ``None`` where it stands."""
    return version.corrections.exclude(status=Status.DRAFT).first()


def retire_what_it_corrects(version: PlanVersion, *, now: datetime) -> None:
    """Sell the wrong version no more, now that its correction is published.

    Raises ``Conflict`` if another came first, and ``Invalid`` where the draft no longer keeps what it must.
    """
    if version.corrects_id is None:
        return
    wrong = PlanVersion.objects.select_for_update().get(pk=version.corrects_id)
    newer = standing_correction(wrong)
    if newer is not None and newer.pk != version.pk:
        raise Conflict(
            f"Version {wrong.number} has been corrected by version {newer.number} since; correct that one."
        )
    _refuse_unlike(wrong, PlanTerms.of(version))
    if wrong.status == Status.PUBLISHED:
        wrong.status, wrong.retired_at = Status.RETIRED, now
        wrong.save(update_fields=["status", "retired_at"])


def corrected_versions(version: PlanVersion) -> list[PlanVersion]:
    """The versions that this one puts right: the one it names, and those which that one had put right before it."""
    found = []
    wrong = version.corrects
    while wrong is not None:
        found.append(wrong)
        wrong = wrong.corrects
    return found


def correction_named(plan_key: str, number: int) -> PlanVersion:
    """The published correction that stands. Raises ``Invalid`` naming the field."""
    versions = PlanVersion.objects.select_related("plan").filter(plan__key=plan_key, number=number)
    version = versions.exclude(status=Status.DRAFT).first()
    if version is None:
        detail = f"The plan {plan_key!r} has no published version {number}."
        raise Invalid.one("version", "not_published", detail)
    if version.corrects_id is None:
        raise Invalid.one("version", "no_correction", f"Version {number} does not say what it corrects.")
    newer = standing_correction(version)
    if newer is not None:
        detail = f"Version {number} has itself been corrected by version {newer.number}."
        raise Invalid.one("version", "corrected", detail)
    return version
