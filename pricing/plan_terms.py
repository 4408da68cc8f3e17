"""The terms of a plan: the exact JSON that is stored with a version, read strictly and used as a frozen
value.
"""

import json
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, cast

from core import limits
from core.currencies import parse_currency
from core.fields import Fields
from core.money import ONE, ZERO, plain, plain_or_none
from core.texts import TextError, clean_key
from pricing.charge_errors import field_errors
from pricing.engine.allowance import Allowance, check_allowances, parse_allowance
from pricing.engine.charge import HUNDRED, Charge, parse_charge
from pricing.engine.fields import ChargeError
from pricing.models import PlanVersion

INTERVALS = ("day", "week", "month", "quarter", "year")
FEE_TIMINGS = ("advance", "arrears")
PRORATIONS = ("day", "second", "none")
ON_EXHAUSTED = ("overage", "top_up", "block")
ON_BREACH = ("bill", "absorb", "alert")
GRANT_CATEGORIES = ("promotional", "paid")
GRANT_EXPIRES = ("period_end", "never")
GRANT_PRIORITY_DEFAULT = 10
MONEY_MAX = Decimal(limits.MONEY_MAX)
CREDITS_MAX = Decimal(limits.CREDITS_MAX)


@dataclass(frozen=True)
class Floor:
    """The least margin over a period, a share below 1, and what happens when it is missed."""

    rate: Decimal
    on_breach: Literal["bill", "absorb", "alert"]

    def as_json(self) -> dict[str, str]:
        return {"rate": plain(self.rate), "on_breach": self.on_breach}


@dataclass(frozen=True)
class PlanGrant:
    """Credits that each period brings. ``rollover`` is the most that moves on to the next period."""

    amount: Decimal
    rollover: Decimal
    priority: int
    category: str
    expires: str
    cost_basis: Decimal

    def as_json(self) -> dict[str, Any]:
        return {
            "amount": plain(self.amount),
            "rollover": plain(self.rollover),
            "priority": self.priority,
            "category": self.category,
            "expires": self.expires,
            "cost_basis": plain(self.cost_basis),
        }


@dataclass(frozen=True)
class PlanTerms:
    """What a plan version sells. Amounts are in the currency's major unit, rates are shares of 1."""

    key: str
    name: str
    currency: str
    interval: str
    fee: Decimal
    fee_timing: str
    proration: str
    charges: tuple[Charge, ...]
    credit_grants: tuple[PlanGrant, ...]
    on_exhausted: str
    burn_table: str | None
    commitment: Decimal | None
    discount_percent: Decimal | None
    cap: Decimal | None
    trial_days: int
    margin_floor: Floor | None
    allowances: tuple[Allowance, ...] = ()

    @classmethod
    def of(cls, version: PlanVersion) -> "PlanTerms":
        """The terms of a stored version."""
        return _stored(json.dumps(version.terms, sort_keys=True))

    @staticmethod
    def overrides(data: Any) -> dict[str, Any]:
        """A subscription's own terms, by the names of the fields they replace.

        Takes ``discount_percent``, ``cap``, ``commitment`` and ``margin_floor``. Raises ``Invalid``.
        """
        fields = Fields({} if data is None else data, "overrides")
        own = {
            "discount_percent": _percent(fields),
            "cap": _money(fields, "cap"),
            "commitment": _commitment(fields),
            "margin_floor": _floor(fields),
        }
        fields.done()
        return {name: value for name, value in own.items() if value is not None}

    def as_json(self) -> dict[str, Any]:
        """The terms as they are stored and shown; ``read_terms`` reads back equal terms."""
        return {
            "key": self.key,
            "name": self.name,
            "currency": self.currency,
            "interval": self.interval,
            "fee": plain(self.fee),
            "fee_timing": self.fee_timing,
            "proration": self.proration,
            "charges": [charge.as_json() for charge in self.charges],
            **({"allowances": [one.as_json() for one in self.allowances]} if self.allowances else {}),
            "credit_grants": [grant.as_json() for grant in self.credit_grants],
            "on_exhausted": self.on_exhausted,
            "burn_table": self.burn_table,
            "commitment": None if self.commitment is None else {"amount": plain(self.commitment)},
            "discount_percent": plain_or_none(self.discount_percent),
            "cap": plain_or_none(self.cap),
            "trial_days": self.trial_days,
            "margin_floor": None if self.margin_floor is None else self.margin_floor.as_json(),
        }

    @property
    def meters(self) -> frozenset[str]:
        """Keys of the meters that the charges count by."""
        return frozenset(charge.meter for charge in self.charges if charge.meter is not None)

    @property
    def burn_tables(self) -> frozenset[str]:
        """Keys of the burn tables that the terms name."""
        named = {charge.burn_table for charge in self.charges} | {self.burn_table}
        return frozenset(table for table in named if table)


def read_terms(data: Any, *, key: str | None = None) -> PlanTerms:
    """The terms from a plan's JSON. With ``key`` the plan exists already, and the field may be left out.

    Raises ``Invalid`` with every field that is wrong, by its path: ``charges[0].tiers[1].up_to``.
    """
    fields = Fields(data)
    given_key = fields.key("key") if key is None else fields.key("key", key)
    if key is not None and fields.has("key") and given_key != key:
        fields.refuse("key", "fixed", f"It is the plan's key, {key!r}; leave it out.")
    terms = PlanTerms(
        key=given_key,
        name=fields.text("name"),
        currency=fields.parsed("currency", parse_currency, "USD", code="currency", stand_in="USD"),
        interval=fields.choice("interval", INTERVALS, "month"),
        fee=_money(fields, "fee") or ZERO,
        fee_timing=fields.choice("fee_timing", FEE_TIMINGS, "advance"),
        proration=fields.choice("proration", PRORATIONS, "day"),
        charges=_charges(fields),
        credit_grants=tuple(
            _grant(item) for item in fields.objects("credit_grants", most=limits.PLAN_GRANTS_MAX)
        ),
        on_exhausted=fields.choice("on_exhausted", ON_EXHAUSTED, "overage"),
        burn_table=fields.key("burn_table", "") or None,
        commitment=_commitment(fields),
        discount_percent=_percent(fields),
        cap=_money(fields, "cap"),
        trial_days=fields.integer("trial_days", 0, least=0, most=limits.TRIAL_DAYS_MAX),
        margin_floor=_floor(fields),
    )
    terms = replace(terms, allowances=_allowances(fields, terms.charges))
    fields.done()
    return terms


@lru_cache(maxsize=500)
def _stored(text: str) -> PlanTerms:
    return read_terms(json.loads(text))


def _charges(fields: Fields) -> tuple[Charge, ...]:
    charges: list[Charge] = []
    taken: set[str] = set()
    for index, item in enumerate(fields.items("charges", most=limits.PLAN_CHARGES_MAX)):
        place = f"charges[{index}]"
        try:
            charge = parse_charge(item, path=f"{place}.")
            clean_key(charge.key)
        except ChargeError as error:
            fields.errors += field_errors(error)
            continue
        except TextError as error:
            fields.refuse(f"{place}.key", "key", str(error))
            continue
        if charge.key in taken:
            fields.refuse(f"{place}.key", "duplicate", f"Another charge has the key {charge.key!r}.")
        taken.add(charge.key)
        charges.append(charge)
    return tuple(charges)


def _allowances(fields: Fields, charges: tuple[Charge, ...]) -> tuple[Allowance, ...]:
    found: list[Allowance] = []
    try:
        for index, item in enumerate(fields.items("allowances", most=limits.PLAN_ALLOWANCES_MAX)):
            found.append(parse_allowance(item, path=f"allowances[{index}]."))
        if not fields.errors:  # charges that could not be read would be missed here as well
            check_allowances(found, charges)
    except ChargeError as error:
        fields.errors += field_errors(error)
    return tuple(found)


def _grant(fields: Fields) -> PlanGrant:
    cost_basis = fields.number("cost_basis", ZERO, least=ZERO, most=MONEY_MAX)
    grant = PlanGrant(
        amount=fields.number("amount", least=ZERO, most=CREDITS_MAX),
        rollover=fields.number("rollover", ZERO, least=ZERO, most=CREDITS_MAX),
        priority=fields.integer("priority", GRANT_PRIORITY_DEFAULT, least=0, most=limits.GRANT_PRIORITY_MAX),
        category=fields.choice("category", GRANT_CATEGORIES, "paid" if cost_basis else "promotional"),
        expires=fields.choice("expires", GRANT_EXPIRES, "period_end"),
        cost_basis=cost_basis,
    )
    if fields.has("amount") and grant.amount == 0:
        fields.refuse("amount", "number", "It must be above zero.")
    if cost_basis and grant.category == "promotional":
        fields.refuse(
            "cost_basis", "contradiction", "Promotional credits earn nothing: leave it out, or say paid."
        )
    fields.close()
    return grant


def _commitment(fields: Fields) -> Decimal | None:
    commitment = fields.object("commitment")
    if commitment is None:
        return None
    amount = commitment.number("amount", least=ZERO, most=MONEY_MAX)
    commitment.close()
    return amount


def _floor(fields: Fields) -> Floor | None:
    floor = fields.object("margin_floor")
    if floor is None:
        return None
    read = Floor(
        floor.number("rate", least=ZERO, below=ONE),
        cast(Literal["bill", "absorb", "alert"], floor.choice("on_breach", ON_BREACH)),
    )
    floor.close()
    return read


def _money(fields: Fields, name: str) -> Decimal | None:
    return fields.number(name, None, least=ZERO, most=MONEY_MAX)


def _percent(fields: Fields) -> Decimal | None:
    return fields.number("discount_percent", None, least=ZERO, most=HUNDRED)
