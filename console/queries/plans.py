"""Plans with their versions, in words."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from billing.models import SubscriptionSegment
from core.problems import NotFound
from metering.models import Meter
from metering.units import unit_of
from pricing.charge_words import charge_words
from pricing.models import Plan, PlanVersion


@dataclass(frozen=True)
class PlanRow:
    """One line of the list of plans; ``version`` is the newest published one, else the newest."""

    plan: Plan
    version: PlanVersion | None
    versions: int
    subscribers: int


@dataclass(frozen=True)
class ChargeWords:
    key: str
    model: str
    meter: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class VersionPage:
    """One version of a plan, and how many subscriptions have it now."""

    version: PlanVersion
    terms: dict[str, Any]
    charges: tuple[ChargeWords, ...]
    subscribers: int


def plan_rows() -> list[PlanRow]:
    subscribers = _subscribers()
    rows = []
    for plan in Plan.objects.prefetch_related("versions").order_by("archived_at", "name", "id"):
        versions = sorted(plan.versions.all(), key=lambda version: -version.number)
        published = [version for version in versions if version.status == PlanVersion.Status.PUBLISHED]
        count = sum(subscribers.get(version.id, 0) for version in versions)
        newest = next(iter(published or versions), None)
        rows.append(PlanRow(plan, newest, len(versions), count))
    return rows


def plan_pages(key: str) -> tuple[Plan, list[VersionPage]]:
    """A plan and its versions, newest first. Raises ``NotFound``."""
    plan = Plan.objects.filter(key=key).first()
    if plan is None:
        raise NotFound("There is no plan with this key.")
    units = {meter.key: unit_of(meter) for meter in Meter.objects.all()}
    subscribers = _subscribers()
    return plan, [
        VersionPage(
            version,
            version.terms,
            tuple(
                _words(charge, version.terms.get("currency", "USD"), units)
                for charge in version.terms.get("charges", [])
            ),
            subscribers.get(version.id, 0),
        )
        for version in plan.versions.select_related("plan", "corrects").order_by("-number")
    ]


def _words(charge: dict[str, Any], currency: str, units: dict[str, str]) -> ChargeWords:
    meter = charge.get("meter") or ""
    sentences = tuple(charge_words(charge, currency, units.get(meter, "unit")))
    return ChargeWords(str(charge.get("key", "")), str(charge.get("model", "")), meter, sentences)


def _subscribers() -> dict[int, int]:
    """Subscriptions per plan version: stretches that have no end yet."""
    open_ones = SubscriptionSegment.objects.filter(Q(ends_at=None)).values("plan_version_id")
    return {row["plan_version_id"]: row["n"] for row in open_ones.annotate(n=Count("id"))}
