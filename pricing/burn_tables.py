"""Burn tables: published, dated, announced ahead. The version that holds at an event's time burns it."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from core import limits
from core.problems import Conflict, FieldError, Invalid, NotFound, Problem
from core.remembered import remembered
from core.texts import KEY, TextError, clean_key, clean_text
from pricing.burn_rates import Burn, BurnFacts, BurnRate, RateTable, parse_rates
from pricing.models import BurnTable, BurnTableVersion
from pricing.price_book import canonical_model

__all__ = ["Burn", "BurnFacts", "BurnHistory", "Unlisted", "burn", "version_at"]


class Unlisted(Problem):
    """No rate of the table names the event, and the table says that such events wait for a rate."""

    status = 422
    code = "unlisted"
    title = "The burn table does not name this event"


def create_table(
    key: str,
    name: str,
    rates: object,
    *,
    now: datetime,
    effective_at: datetime | None = None,
    note: str = "",
    unlisted: str = BurnTableVersion.Unlisted.PENDING,
) -> BurnTable:
    """A new table with its first version, which holds from ``effective_at`` (default: from now).

    Raises ``Invalid`` with every wrong field, ``Conflict`` when the key is taken.
    """
    errors: list[FieldError] = []
    key = _checked(lambda: clean_key(key), "key", errors)
    name = _checked(lambda: clean_text(name, most=limits.NAME_CHARACTERS_MAX), "name", errors)
    if not name and not any(error.field == "name" for error in errors):
        errors.append(FieldError("name", "required", "Write a name that customers will read."))
    stored = _checked_version(rates, note, unlisted, errors)
    with transaction.atomic():
        table, created = BurnTable.objects.get_or_create(key=key, defaults={"name": name, "created_at": now})
        if not created:
            raise Conflict(f"There is already a burn table {key}; add a version to it.")
        _insert_version(table, 1, effective_at or now, stored, now=now)
    return table


def add_version(
    key: str,
    rates: object,
    *,
    effective_at: datetime,
    now: datetime,
    note: str = "",
    unlisted: str = BurnTableVersion.Unlisted.PENDING,
    correction: bool = False,
) -> BurnTableVersion:
    """Announce a new version. What was burned stays as published.

    A ``correction`` may reach into the past, and says in its note why: events that come late burn by it, those burned
    before only when they are rated again. Raises ``NotFound``, ``Invalid`` with every wrong field.
    """
    errors: list[FieldError] = []
    if effective_at < now and not correction:
        detail = "Write a time that is still to come; to put a mistake right, say correction: true."
        errors.append(FieldError("effective_at", "past", detail))
    if correction and not note.strip():
        errors.append(
            FieldError("note", "required", "Say what is corrected: customers read it in the history.")
        )
    stored = _checked_version(rates, note, unlisted, errors)
    with transaction.atomic():
        table = BurnTable.objects.select_for_update().filter(key=key).first()
        if table is None:
            raise NotFound(f"There is no burn table {key[:100]!r}.")
        newest = table.versions.order_by("-number").first()
        return _insert_version(table, newest.number + 1 if newest else 1, effective_at, stored, now=now)


def table_by_key(key: str) -> BurnTable:
    """The table. Raises ``NotFound``."""
    table = BurnTable.objects.filter(key=key).first() if KEY.fullmatch(key) else None
    if table is None:
        raise NotFound("There is no such burn table.")
    return table


class BurnHistory:
    """All versions of a table, read once: for rating many events in a row."""

    def __init__(self, table: BurnTable) -> None:
        self.table = table
        held: dict[datetime, BurnTableVersion] = {}
        for version in sorted(table.versions.all(), key=lambda one: (one.effective_at, one.number)):
            held[version.effective_at] = version  # the later of two for one instant replaces the other
        self.versions = list(held.values())
        self._starts = list(held)

    def version_at(self, at: datetime) -> BurnTableVersion | None:
        """The version that holds at the instant; None before the first."""
        index = bisect_right(self._starts, at)
        return self.versions[index - 1] if index else None

    def next_version(self, at: datetime) -> BurnTableVersion | None:
        """The version announced to hold next after the instant."""
        index = bisect_right(self._starts, at)
        return self.versions[index] if index < len(self.versions) else None


def version_at(table: BurnTable, at: datetime) -> BurnTableVersion | None:
    """The version of a table that holds at the instant; None before the first. One query."""
    return table.versions.filter(effective_at__lte=at).order_by("-effective_at", "-number").first()


def burn(version: BurnTableVersion, facts: BurnFacts) -> list[Burn]:
    """The credits that an event burns, line by line; no line for a kind that the table does not list.

    An event that no rate names burns nothing when the version says so (``unlisted: free``), else raises
    ``Unlisted``: it waits, visibly, until a rate names it.
    """
    burns = compiled(version).burns(facts)
    if burns is not None:
        return burns
    if version.unlisted == BurnTableVersion.Unlisted.FREE:
        return []
    model = facts.models[0] if facts.models else ""
    raise Unlisted(
        f"The burn table {version.table.key} has no rate for {model or facts.type or 'this event'}."
    )


def facts_of(
    *,
    provider: str,
    model: str,
    at: datetime,
    buckets: Mapping[str, Decimal],
    type: str = "",
    context: str = "standard",
    status: str = "ok",
    quantity: Decimal = Decimal(1),
    properties: Mapping[str, Any] | None = None,
) -> BurnFacts:
    """What an event offers to a burn table; its model goes by the name sent and by ours at that time."""
    ours = canonical_model(provider, model, at) if model else ""
    names = tuple(dict.fromkeys(name for name in (model, ours) if name))
    return BurnFacts(names, provider, type, context, status, quantity, buckets, properties or {})


def checked_rates(rates: object) -> RateTable:
    """Rates that are not published yet, ready to burn. Raises ``Invalid`` with every wrong field."""
    parsed, errors = parse_rates(rates)
    if errors:
        raise Invalid("The burn table cannot be kept as written.", tuple(errors))
    return RateTable(parsed)


def compiled(version: BurnTableVersion) -> RateTable:
    """The version's rates, ready to burn. A version never changes, so a process reads it once."""
    return _compiled(version.pk) if version.pk else RateTable(parse_rates(version.rates)[0])


@dataclass(frozen=True)
class RateChange:
    """How one rate differs between two versions; None where it is not in one of them."""

    id: str
    before: BurnRate | None
    after: BurnRate | None


def changes_between(before: BurnTableVersion | None, after: BurnTableVersion) -> list[RateChange]:
    """What the later version changes, by rate id: for a history that people can read."""
    old = {rate.id: rate for rate in compiled(before).rates} if before else {}
    new = {rate.id: rate for rate in compiled(after).rates}
    return [
        RateChange(id_, old.get(id_), new.get(id_))
        for id_ in sorted(old.keys() | new.keys())
        if old.get(id_) != new.get(id_)
    ]


@remembered(256)
def _compiled(version_id: int) -> RateTable:
    rates = BurnTableVersion.objects.values_list("rates", flat=True).get(pk=version_id)
    return RateTable(parse_rates(rates)[0])


def _checked_version(rates: object, note: str, unlisted: str, errors: list[FieldError]) -> dict[str, Any]:
    parsed, faults = parse_rates(rates)
    errors += faults
    note = _checked(lambda: clean_text(note, most=limits.REASON_CHARACTERS_MAX), "note", errors)
    if unlisted not in BurnTableVersion.Unlisted.values:
        errors.append(FieldError("unlisted", "invalid", "Write pending or free."))
    if errors:
        raise Invalid("The burn table cannot be kept as written.", tuple(errors))
    return {"rates": [rate.as_json() for rate in parsed], "note": note, "unlisted": unlisted}


def _checked(clean: Any, name: str, errors: list[FieldError]) -> str:
    try:
        return str(clean())
    except TextError as error:
        errors.append(FieldError(name, "invalid", str(error)))
        return ""


def _insert_version(
    table: BurnTable, number: int, effective_at: datetime, stored: dict[str, Any], *, now: datetime
) -> BurnTableVersion:
    return BurnTableVersion.objects.create(
        table=table, number=number, effective_at=effective_at, created_at=now, **stored
    )
