"""Usage that came after its period was invoiced: what it adds, told apart from what was billed."""

from decimal import Decimal
from uuid import UUID

from billing.fees import stretch_share
from billing.models import Invoice, InvoiceLine, Subscription
from billing.parts import Parts, UsageReader, describe
from billing.terms import Stretch
from core.money import plain
from core.periods import Period, local_date
from pricing.engine.invoice import ChargeUsage
from pricing.engine.usage import NOTHING, Usage, merge

AMOUNTS = ("quantity", "amount", "cost", "lift", "credits", "covered")


def add_late_usage(
    parts: Parts, stretch: Stretch, period: Period, read: UsageReader, discount_percent: Decimal
) -> None:
    """For each charge whose usage in the earlier period has changed, the difference, as a correction.

    ``discount_percent`` is the subscription's of that period.
    """
    for metered in stretch.charges:
        billed = billed_usage(stretch, metered.charge.key, period)
        usage = difference(read(stretch, metered, period), billed)
        if not usage:
            continue
        item = ChargeUsage(
            metered.charge,
            usage,
            before=billed or (NOTHING,),
            share=stretch_share(stretch, period),
            correction=True,
            discount_percent=discount_percent,
        )
        day = local_date(period.start, stretch.subscription.timezone)
        parts.add_charge(
            item,
            description=f"{describe(stretch, metered)}, late usage of the period from {day:%-d %b %Y}",
            period=period,
            segment_id=stretch.segment_id,
            charge=metered.charge.key,
            usage=usage,
        )


def billed_usage(stretch: Stretch, charge: str, period: Period) -> tuple[Usage, ...]:
    """The usage of a charge in a period that finalized invoices have billed, corrections included."""
    lines = InvoiceLine.objects.filter(
        customer_id=stretch.subscription.customer_id,
        segment_id=stretch.segment_id,
        charge=charge,
        period_start__gte=period.start,
        period_end__lte=period.end,
        kind__in=("usage", "correction"),
        invoice_id__in=_issued(stretch.subscription),
    )
    return merge(usage_from_json(row) for line in lines for row in line.usage)


def _issued(subscription: Subscription) -> list[UUID]:
    invoices = Invoice.objects.filter(
        customer_id=subscription.customer_id, subscription_id=subscription.id, finalized_at__isnull=False
    )
    return list(invoices.exclude(status=Invoice.Status.VOID).values_list("id", flat=True))


def difference(now: list[Usage], before: tuple[Usage, ...]) -> tuple[Usage, ...]:
    """What the present sums have more than the earlier ones, for each set of dimensions; nothing where they agree."""
    return tuple(usage for usage in merge([*now, *(-usage for usage in before)]) if _moved(usage))


def _moved(usage: Usage) -> bool:
    return any(getattr(usage, name) for name in AMOUNTS)


def usage_as_json(usage: Usage) -> dict[str, object]:
    """The sums as JSON, decimals as text; ``usage_from_json`` reads back equal sums."""
    return {"dimensions": dict(usage.dimensions), "events": usage.events} | {
        name: plain(getattr(usage, name)) for name in AMOUNTS
    }


def usage_from_json(data: dict[str, object]) -> Usage:
    numbers = {name: Decimal(str(data[name])) for name in AMOUNTS}
    return Usage(dimensions=data["dimensions"], events=data["events"], **numbers)  # type: ignore[arg-type]
