"""Credits: what was granted, what burnt, and by which published rates."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection

from billing.credits.grants import active_at, burn_order
from billing.credits.history import Movement, credit_transactions, movements
from billing.ledger import grant_account
from billing.models import CreditGrant, SubscriptionSegment
from billing.subscriptions.terms import stretches_of
from core.money import ZERO
from metering.formats.usage import is_token_bucket
from metering.usage import CALLS
from portal.queries.usage import OWN_STATISTICS
from pricing.burn_rates import BurnFacts
from pricing.burn_tables import Unlisted, burn
from pricing.engine.credits import Credits as CreditsModel
from pricing.models import BurnTable, BurnTableVersion

ENDED_MAX = 50
HISTORY_SHOWN = 30
EXAMPLES_MAX = 12
TYPICAL_CALL = {"input": Decimal(8000), "output": Decimal(1000)}
ENDINGS = ("credits.expire", "credits.void", "credits.rollover")


@dataclass(frozen=True)
class GrantRow:
    grant: CreditGrant
    place: int | None
    state: str
    used: Decimal


@dataclass(frozen=True)
class CreditDay:
    """Credits burnt on one local day: covered by grants, and beyond them."""

    day: date
    covered: Decimal
    overage: Decimal


@dataclass(frozen=True)
class Credits:
    """Everything on the credits page.

    ``available`` adds up what is left of the grants that are active now, ``granted`` what they began with; one that is
    used up counts until it ends, one without an end no longer.
    """

    available: Decimal
    granted: Decimal
    open: tuple[GrantRow, ...]
    ended: tuple[GrantRow, ...]
    next_expiry: CreditGrant | None


@dataclass(frozen=True)
class RateRow:
    """One rate as a reader finds it: for which calls, for which kind of use, how many credits for how many.

    ``again`` says that it is for the same calls as the one above it.
    """

    calls: str
    kind: str
    credits: Decimal
    per: Decimal
    of_tokens: bool
    again: bool = False


@dataclass(frozen=True)
class Example:
    """What a typical call burns, worked out by the rates themselves."""

    model: str
    credits: Decimal


@dataclass(frozen=True)
class RateVersion:
    version: BurnTableVersion
    rows: tuple[RateRow, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Rates:
    """A burn table: the version in force, those that were, and those announced."""

    table: BurnTable
    current: RateVersion | None
    upcoming: tuple[RateVersion, ...]
    past: tuple[RateVersion, ...]


def credits_of(customer_id: int, now: datetime) -> Credits:
    grants = list(CreditGrant.objects.filter(customer_id=customer_id))
    active = [g for g in grants if active_at(g, now)]
    live = sorted((g for g in active if g.remaining > 0), key=burn_order)
    ahead = sorted((g for g in grants if g.starts_at > now and g.voided_at is None), key=burn_order)
    shown = {g.id for g in [*live, *ahead]}
    over = sorted((g for g in grants if g.id not in shown), key=lambda g: (g.starts_at, g.id), reverse=True)
    ended = over[:ENDED_MAX]
    unused = _unused(customer_id, [g.id for g in ended])
    expiring = [g for g in live if g.expires_at is not None]
    return Credits(
        available=sum((g.remaining for g in live), ZERO),
        granted=sum((g.amount for g in active if g.remaining > 0 or g.expires_at is not None), ZERO),
        open=tuple(
            [GrantRow(g, place, "in use", g.amount - g.remaining) for place, g in enumerate(live, 1)]
            + [GrantRow(g, None, "to come", ZERO) for g in ahead]
        ),
        ended=tuple(_ended(g, unused.get(g.id, g.remaining)) for g in ended),
        next_expiry=min(expiring, key=lambda g: (g.expires_at, g.id)) if expiring else None,
    )


def credit_days(customer_id: int, start: datetime, end: datetime, zone: str) -> list[CreditDay]:
    """Credits burnt per local day, from the customer's hourly sums."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (hour AT TIME ZONE %s)::date, sum(covered), sum(credits - covered)
            FROM metering_usagebucket
            WHERE customer_id = %s AND scope_id = %s AND series = %s AND hour >= %s AND hour < %s
            GROUP BY 1 HAVING sum(credits) > 0 ORDER BY 1
            """,
            [zone, customer_id, OWN_STATISTICS, CALLS, start, end],
        )
        return [CreditDay(*row) for row in cursor.fetchall()]


def credit_history(customer_id: int, before: UUID | None = None) -> list[Movement]:
    """Movements of credits, the latest first, each in words with the balance after it: one more than a page shows."""
    found = credit_transactions(customer_id).order_by("-id")
    if before is not None:
        found = found.filter(id__lt=before)
    return movements(customer_id, list(found[: HISTORY_SHOWN + 1]))


def whole_credit_history(customer_id: int) -> Iterator[Movement]:
    """Every movement, the latest first, read a part at a time."""
    before = None
    while part := credit_history(customer_id, before):
        yield from part
        before = part[-1].transaction.id


@dataclass(frozen=True)
class BeyondCredits:
    """What happens when no credits are left: calls are refused, or each further credit has a price, where there is one."""

    refused: bool
    price: Decimal | None


def beyond_credits(customer_id: int, now: datetime) -> BeyondCredits | None:
    """As the customer's plan says now; None where no plan that runs burns credits."""
    for stretch in stretches_of(customer_id):
        if not stretch.holds(now) or not stretch.burn_tables:
            continue
        prices = [
            metered.charge.model.unit_price
            for metered in stretch.charges
            if isinstance(metered.charge.model, CreditsModel)
        ]
        return BeyondCredits(stretch.terms.on_exhausted == "block", prices[0] if prices else None)
    return None


def rates_of(customer_id: int, now: datetime) -> list[Rates]:
    """The burn tables that the customer's plans use."""
    segments = SubscriptionSegment.objects.filter(customer_id=customer_id).select_related("plan_version")
    keys = {key for segment in segments for key in _tables_of(segment.plan_version.terms)}
    found = []
    for table in BurnTable.objects.filter(key__in=keys).prefetch_related("versions").order_by("name", "id"):
        versions = sorted(table.versions.all(), key=lambda version: (version.effective_at, version.number))
        begun = [version for version in versions if version.effective_at <= now]
        found.append(
            Rates(
                table,
                _readable(begun[-1]) if begun else None,
                tuple(_readable(version) for version in versions if version.effective_at > now),
                tuple(_readable(version) for version in reversed(begun[:-1])),
            )
        )
    return found


def _readable(version: BurnTableVersion) -> RateVersion:
    rows = []
    for rate in version.rates:
        match = dict(rate["match"])
        kinds = match.pop("token_kind", "call")
        rows.append(
            RateRow(
                ", ".join(_either(wanted) for wanted in match.values()) or "everything else",
                _either(kinds).replace("_", " "),
                Decimal(rate["credits"]),
                Decimal(rate["per"]),
                all(
                    kind == "tokens" or is_token_bucket(kind)
                    for kind in ([kinds] if isinstance(kinds, str) else kinds)
                ),
            )
        )
    # The rates of the same calls stand together, in the order in which these are first named.
    order = {calls: place for place, calls in reversed(list(enumerate(row.calls for row in rows)))}
    rows.sort(key=lambda row: order[row.calls])
    told = [replace(row, again=n > 0 and rows[n - 1].calls == row.calls) for n, row in enumerate(rows)]
    return RateVersion(version, tuple(told), tuple(_examples(version)))


def _examples(version: BurnTableVersion) -> Iterator[Example]:
    """A call of 8,000 tokens in and 1,000 out, on each model that the table names."""
    wanted = [rate["match"].get("model", []) for rate in version.rates]
    named = [models if isinstance(models, list) else [models] for models in wanted]
    models = list(dict.fromkeys(model for own in named for model in own))
    for model in models[:EXAMPLES_MAX] or [""]:
        facts = BurnFacts((model,) if model else (), buckets=TYPICAL_CALL)
        with suppress(Unlisted):
            yield Example(model or "any model", sum((burnt.credits for burnt in burn(version, facts)), ZERO))


def _either(wanted: str | list[str]) -> str:
    return wanted if isinstance(wanted, str) else " or ".join(wanted)


def _tables_of(terms: dict[str, object]) -> list[str]:
    charges = terms.get("charges") or []
    named = [charge.get("burn_table") for charge in charges]  # type: ignore[attr-defined]
    return [str(name) for name in [*named, terms.get("burn_table")] if name]


def _unused(customer_id: int, grant_ids: list[UUID]) -> dict[UUID, Decimal]:
    """What grants gave up at their end, unburnt: expired, voided, or carried over to the next."""
    accounts = {grant_account(grant_id): grant_id for grant_id in grant_ids}
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT e.account, -sum(e.amount) FROM billing_ledgerentry e
            JOIN billing_ledgertransaction t ON t.customer_id = e.customer_id AND t.id = e.transaction_id
            WHERE e.customer_id = %s AND e.account = ANY(%s) AND e.amount < 0 AND t.kind = ANY(%s)
            GROUP BY e.account
            """,
            [customer_id, list(accounts), list(ENDINGS)],
        )
        return {accounts[account]: amount for account, amount in cursor.fetchall()}


def _ended(grant: CreditGrant, unused: Decimal) -> GrantRow:
    over = "expired" if unused > 0 else "used up"
    state = "taken back" if grant.voided_at is not None else over
    return GrantRow(grant, None, state, grant.amount - unused)
