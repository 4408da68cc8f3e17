"""One subscription as the console shows it, what else could be sold to it, and add-ons of all customers."""

from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from billing.models import AddOn, Subscription, SubscriptionSegment
from billing.plan_move_preview import LastPeriod, last_period
from billing.plan_moves import Candidate
from billing.statements.add_ons import add_ons_of
from billing.subscriptions.lifecycle import segments_of
from billing.subscriptions.overrides import planned_overrides
from customers.models import Customer
from pricing.models import PlanVersion


@dataclass(frozen=True)
class SubscriptionPage:
    """A subscription with its stretches, newest first, its add-ons, and its own terms by the names of a form."""

    stretches: tuple[SubscriptionSegment, ...]
    add_ons: tuple[AddOn, ...]
    own_terms: dict[str, Any]
    planned_terms: dict[str, Any] | None


def subscription_page(subscription: Subscription) -> SubscriptionPage:
    stretches = segments_of(subscription).select_related("plan_version__plan").order_by("-starts_at", "id")
    return SubscriptionPage(
        tuple(stretches),
        tuple(add_ons_of(subscription)),
        _by_field(subscription.overrides),
        planned_overrides(subscription),
    )


def plans_to_sell(to: Customer | Subscription) -> list[PlanVersion]:
    """The newest version on sale of every plan that the customer, or the subscription, could change to."""
    customer = to if isinstance(to, Customer) else to.customer
    on_sale = PlanVersion.objects.filter(status=PlanVersion.Status.PUBLISHED, plan__archived_at=None)
    newest: dict[int, PlanVersion] = {}
    for version in on_sale.select_related("plan").order_by("plan__name", "plan_id", "number"):
        newest[version.plan_id] = version
    fits = [version for version in newest.values() if version.terms["currency"] == customer.currency]
    if isinstance(to, Customer):
        return fits
    return [version for version in fits if version.terms["interval"] == to.interval]


def would_have_cost(
    subscription: Subscription, version: PlanVersion
) -> tuple[PlanVersion, LastPeriod] | None:
    """Its last period by its own plan and by the version; None where it has no plan at present."""
    held = segments_of(subscription).select_related("plan_version__plan").order_by("starts_at", "id").last()
    if held is None:
        return None
    return version, last_period(Candidate(subscription, held, subscription.period_end), version)


def add_ons(words: str, *, running: bool) -> QuerySet[AddOn]:
    """Add-ons of every customer, each with its subscription's key; ``running``: only those without an end."""
    keys = Subscription.objects.filter(customer_id=OuterRef("customer_id"), id=OuterRef("subscription_id"))
    rows = AddOn.objects.select_related("customer").annotate(
        subscription_key=Subquery(keys.values("key")[:1])
    )
    if running:
        rows = rows.filter(ends_at=None, recurring=True)
    if not words:
        return rows
    return rows.filter(
        Q(name__icontains=words) | Q(key__icontains=words) | Q(customer__name__icontains=words)
    )


def _by_field(terms: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in terms.items():
        found |= (
            {f"{name}.{inner}": item for inner, item in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
    return found
