"""What came after its period was invoiced: usage, or another version of the plan; told apart from what was billed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple, Protocol
from uuid import UUID

from billing.models import Invoice, InvoiceLine, Subscription
from billing.statements.fees import stretch_share
from billing.statements.late_periods import Cause, Causes, causes_of, line_of
from billing.statements.parts import Parts, UsageReader, describe, stretch_pools
from billing.subscriptions.terms import Stretch
from core.money import ZERO, plain
from core.periods import Period, local_date
from pricing.engine.invoice import ChargeUsage, Correction, PeriodLine
from pricing.engine.usage import NOTHING, Usage, merge

AMOUNTS = ("quantity", "amount", "cost", "lift", "credits", "covered")
USAGE = "usage"
COMMITMENT = "commitment"
# Lines of these kinds are one sum of their period: which stretch a fee is of is no matter to what is still owed.
WHOLE = {"fee": "Fees", COMMITMENT: "Commitment true-up", "margin_floor": "Margin floor adjustment"}


class LateSpan(NamedTuple):
    """An invoiced period into which something has come; ``corrected`` where its plan was put right.

    ``causes`` tells by line why it differs from what was billed.
    """

    period: Period
    corrected: bool = False
    causes: Causes = {}

    def reason(self, line: str, otherwise: Cause, zone: str) -> str:
        """Why the line differs, and the period it belongs to, in the customer's words; ``otherwise`` where none is noted.

        >>> from datetime import UTC, datetime
        >>> span = LateSpan(Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)))
        >>> span._replace(causes={"": ["price", "usage"]}).reason("", Cause.USAGE, "UTC")
        'late usage and corrected price of the period from 1 Jan 2026'
        """
        words = [cause.words for cause in causes_of(self.causes, line) or [otherwise]]
        told = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
        return f"{told} of the period from {local_date(self.period.start, zone):%-d %b %Y}"


class Place(NamedTuple):
    """What a line of a period is about: a charge of a stretch, or one of the sums in ``WHOLE``."""

    kind: str
    segment_id: UUID | None = None
    charge: str = ""


class DueLine(Protocol):
    """A line of what the period comes to by now: see ``billing.statements.statement.StatementLine``."""

    @property
    def rated(self) -> PeriodLine: ...
    @property
    def description(self) -> str: ...
    @property
    def segment_id(self) -> UUID | None: ...
    @property
    def charge(self) -> str: ...
    @property
    def usage(self) -> tuple[Usage, ...]: ...
    @property
    def unit(self) -> str: ...


@dataclass
class Sum:
    """What the lines of one place come to. ``minor`` adds up what each was rounded to."""

    unrounded: Decimal = ZERO
    minor: int = 0
    quantity: Decimal = ZERO
    usage: list[Usage] = field(default_factory=list)
    words: str = ""
    unit: str = ""


class Differing(NamedTuple):
    """What one place of a period is corrected by, the usage in which it differs, and what its quantity counts."""

    correction: Correction
    usage: tuple[Usage, ...]
    unit: str


def corrections_of(
    subscription: Subscription, span: LateSpan, due: Sequence[DueLine]
) -> dict[Place, Differing]:
    """All that an invoiced period comes to by now, less what was billed for it, wherever the two differ."""
    owed: dict[Place, Sum] = defaultdict(Sum)
    for line in due:
        place = (
            Place(line.rated.kind) if line.rated.kind in WHOLE else Place(USAGE, line.segment_id, line.charge)
        )
        _add(
            owed[place], line.rated.unrounded, line.rated.amount_minor, line.rated.quantity, line.description
        )
        owed[place].usage += line.usage
        owed[place].unit = line.unit
    billed = _billed(subscription, span.period)
    told = {}
    for place in [*owed, *(place for place in billed if place not in owed)]:
        now, before = owed[place], billed[place]
        moved = now.quantity != before.quantity and place.kind == USAGE
        if (now.unrounded, now.minor) == (before.unrounded, before.minor) and not moved:
            continue
        usage = difference(now.usage, tuple(before.usage))
        words = WHOLE.get(place.kind) or now.words or before.words
        otherwise = Cause.PLAN if span.corrected else Cause.USAGE
        reason = span.reason(line_of(place.segment_id, place.charge), otherwise, subscription.timezone)
        told[place] = Differing(
            Correction(
                f"{words}, {reason}",
                now.unrounded,
                now.minor,
                before.unrounded,
                before.minor,
                now.quantity - before.quantity if place.kind == USAGE else ZERO,
                before.quantity if place.kind == USAGE else ZERO,
            ),
            usage,
            now.unit or before.unit,
        )
    return told


def add_corrections(
    parts: Parts,
    subscription: Subscription,
    span: LateSpan,
    due: Sequence[DueLine],
    *,
    kind: str | None = None,
) -> None:
    """A line for each difference that ``corrections_of`` finds; of the ``kind`` alone, where one is named."""
    for place, (correction, usage, unit) in corrections_of(subscription, span, due).items():
        if kind not in (None, place.kind):
            continue
        parts.add_correction(
            correction,
            description=correction.description,
            period=span.period,
            segment_id=place.segment_id,
            charge=place.charge,
            usage=usage,
            corrects=place.kind,
            unit=unit,
        )


def _billed(subscription: Subscription, period: Period) -> dict[Place, Sum]:
    """What issued invoices have billed for the period, ahead of it, with it and since."""
    sums: dict[Place, Sum] = defaultdict(Sum)
    lines = InvoiceLine.objects.filter(
        customer_id=subscription.customer_id,
        invoice_id__in=_issued(subscription),
        period_start__gte=period.start,
        period_start__lt=period.end,
    )
    for line in lines.order_by("invoice_id", "n"):
        kind = (line.corrects or USAGE) if line.kind == "correction" else line.kind
        place = Place(kind) if kind in WHOLE else Place(USAGE, line.segment_id, line.charge)
        words = line.description if line.kind != "correction" else ""
        _add(sums[place], line.unrounded, line.amount_minor, line.quantity or ZERO, words)
        sums[place].usage += [usage_from_json(row) for row in line.usage]
        sums[place].unit = line.unit
    return sums


def _add(known: Sum, unrounded: Decimal, minor: int, quantity: Decimal, words: str) -> None:
    known.unrounded += unrounded
    known.minor += minor
    known.quantity += quantity
    known.words = known.words or words


def add_late_usage(parts: Parts, stretch: Stretch, span: LateSpan, read: UsageReader) -> None:
    """For each charge whose usage in the earlier period has changed, the difference, as a correction.

    The stretch has the subscription's own terms of that period.
    """
    period = span.period
    keys = [metered.charge.key for metered in stretch.charges]
    share = stretch_share(stretch, period)
    known = {metered.charge.key: tuple(read(stretch, metered, period)) for metered in stretch.charges}
    billed = {key: billed_usage(stretch, key, period) for key in keys}
    pools, pools_before = stretch_pools(stretch, known, share), stretch_pools(stretch, billed, share)
    for metered in stretch.charges:
        key = metered.charge.key
        usage = difference(list(known[key]), billed[key])
        # What came late for one charge may have taken from an allowance what another had before.
        if not usage and pools.get(key) == pools_before.get(key):
            continue
        item = ChargeUsage(
            metered.charge,
            usage,
            before=billed[key] or (NOTHING,),
            share=share,
            correction=True,
            discount_percent=stretch.terms.discount_percent or ZERO,
            pool=pools.get(key),
            pool_before=pools_before.get(key),
        )
        line = line_of(stretch.segment_id, key)
        reason = span.reason(line, Cause.USAGE, stretch.subscription.timezone)
        parts.add_charge(
            item,
            description=f"{describe(stretch, metered)}, {reason}",
            period=period,
            segment_id=stretch.segment_id,
            charge=metered.charge.key,
            usage=usage,
            unit=metered.unit,
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
