"""How a burn table turns one event into credits. Pure.

A rate names what it is for (``match``) and how many credits so many of it burn. With a ``token_kind`` it counts that
kind: the name of a usage bucket (``output``, ``web_search``), ``tokens`` for every kind of token, or ``call`` for a fee
on the call beside its tokens. Without one it is a price for the call as a whole, times the event's quantity.

Which rate wins:

1. More matched fields beat fewer (``token_kind`` not counted).
2. Of as many: model, then family, task, other properties, type, provider, context, status.
3. A kind by name beats ``tokens``.
4. One value beats a list of values; a shorter list beats a longer one.
5. The id first in the alphabet.

Each kind takes its best rate. A rate for the call as a whole takes the place of the kinds when rules 1 and 2 put it
above every one of theirs; otherwise it does not count. So ``{}`` is the default for what nothing else names.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from core import limits
from core.money import CONTEXT, ZERO, NumberError, parse_number, plain, to_stored
from core.problems import FieldError
from core.texts import TextError, clean_key
from pricing.model_names import canonical_provider
from pricing.price_units import is_token

CALL, TOKENS = "call", "tokens"

# In the order in which they weigh; every ``properties.…`` weighs as ``properties``.
FIELDS = ("model", "family", "task", "properties", "type", "provider", "context", "status")
MATCHED_BY_NAME = (*(name for name in FIELDS if name != "properties"), "token_kind")
RATES_MAX = 500
VALUES_MAX = 200
VALUE_CHARACTERS_MAX = limits.EVENT_MODEL_CHARACTERS_MAX

# Properties come from clients: a table must not remember every value it has ever met.
REMEMBERED_MAX = 10_000

_PROPERTY = re.compile(r"properties\.[^.]{1,100}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,59}")
_WORDS = re.compile(r"[-/:@ ]+")


@dataclass(frozen=True)
class BurnFacts:
    """What an event offers to a burn table. ``models`` are its model's names: as sent, and ours."""

    models: tuple[str, ...] = ()
    provider: str = ""
    type: str = ""
    context: str = ""
    status: str = ""
    quantity: Decimal = Decimal(1)
    buckets: Mapping[str, Decimal] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)

    def values(self, name: str) -> tuple[str, ...]:
        """What the event has under a match field, in small letters; names of models compare so."""
        if name == "model":
            return tuple(model.lower() for model in self.models)
        if name == "task" or name.startswith("properties."):
            value = self.properties.get(name.removeprefix("properties."))
            return () if value is None or isinstance(value, dict | list) else (_text(value).lower(),)
        if name == "provider":
            return (canonical_provider(self.provider),)
        return (str(getattr(self, name)).lower(),)


@dataclass(frozen=True)
class BurnRate:
    """So many ``credits`` for every ``per`` of what ``match`` names; ``derived`` where a margin set them, and no person."""

    id: str
    match: Mapping[str, tuple[str, ...]]
    token_kind: tuple[str, ...]
    credits: Decimal
    per: Decimal
    derived: bool = False

    def fits(self, facts: BurnFacts) -> bool:
        """Whether the event is one of those named, whatever its kinds."""
        return all(_fits(name, wanted, facts) for name, wanted in self.match.items())

    @cached_property
    def reach(self) -> tuple[int, tuple[int, ...]]:
        """How much of the event the match names; the greater is the more specific (rules 1 and 2)."""
        weights = [0] * len(FIELDS)
        for name in self.match:
            weights[FIELDS.index(name.partition(".")[0])] += 1
        return len(self.match), tuple(weights)

    @cached_property
    def order(self) -> tuple[Any, ...]:
        """Sort key, the rate that wins first; total, because ids differ."""
        count, weights = self.reach
        breadth = sum(len(wanted) for wanted in self.match.values()) + len(self.token_kind)
        return -count, tuple(-weight for weight in weights), TOKENS in self.token_kind, breadth, self.id

    def covers(self, kind: str) -> bool:
        return kind in self.token_kind or (TOKENS in self.token_kind and is_token(kind))

    def as_json(self) -> dict[str, Any]:
        match = {name: wanted[0] if len(wanted) == 1 else list(wanted) for name, wanted in self.match.items()}
        if self.token_kind:
            match["token_kind"] = self.token_kind[0] if len(self.token_kind) == 1 else list(self.token_kind)
        told = {"id": self.id, "match": match, "credits": plain(self.credits), "per": plain(self.per)}
        return told | {"derived": True} if self.derived else told


@dataclass(frozen=True, slots=True)
class Burn:
    """Credits that one kind of an event burns, and the rate that says so. ``token_kind`` is ``call`` for a call."""

    row_id: str
    token_kind: str
    quantity: Decimal
    credits: Decimal


class RateTable:
    """Rates in the order in which they win, which remember what they chose for events alike."""

    def __init__(self, rates: Sequence[BurnRate]) -> None:
        self.rates = tuple(sorted(rates, key=lambda rate: rate.order))
        self._properties = sorted(
            {
                name
                for rate in self.rates
                for name in rate.match
                if name == "task" or name.startswith("properties.")
            }
        )
        self._chosen: dict[tuple[Any, ...], list[tuple[str, BurnRate]] | None] = {}

    def burns(self, facts: BurnFacts) -> list[Burn] | None:
        """What an event burns, or None when no rate names it at all.

        >>> rates, _ = parse_rates([
        ...     {"id": "opus", "match": {"family": "opus", "token_kind": "output"}, "credits": "75", "per": "1000000"},
        ...     {"id": "default", "match": {}, "credits": "1", "per": "1"},
        ... ])
        >>> usage = {"input": Decimal(900), "output": Decimal(2000)}
        >>> [burn] = RateTable(rates).burns(BurnFacts(("claude-opus-4-5",), buckets=usage))
        >>> burn.row_id, plain(burn.credits)
        ('opus', '0.15')
        >>> [burn] = RateTable(rates).burns(BurnFacts(("gpt-5",), buckets=usage))
        >>> burn.row_id, plain(burn.credits)
        ('default', '1')
        """
        kinds = tuple(kind for kind, count in facts.buckets.items() if count)
        key = (
            facts.models,
            facts.provider,
            facts.type,
            facts.context,
            facts.status,
            kinds,
            *(facts.values(name) for name in self._properties),
        )
        try:
            chosen = self._chosen[key]
        except KeyError:
            if len(self._chosen) >= REMEMBERED_MAX:
                self._chosen.clear()
            chosen = self._chosen[key] = self._choose(facts, kinds)
        if chosen is None:
            return None
        return [_burn(kind, rate, facts) for kind, rate in chosen]

    def _choose(self, facts: BurnFacts, kinds: tuple[str, ...]) -> list[tuple[str, BurnRate]] | None:
        fitting = [rate for rate in self.rates if rate.fits(facts)]
        if not fitting:
            return None
        whole = next((rate for rate in fitting if not rate.token_kind), None)
        best = [(kind, next((rate for rate in fitting if rate.covers(kind)), None)) for kind in kinds]
        chosen = [(kind, rate) for kind, rate in best if rate is not None]
        if whole is not None and all(whole.reach > rate.reach for _, rate in chosen):
            chosen = [(CALL, whole)]
        fee = next((rate for rate in fitting if CALL in rate.token_kind), None)
        return chosen if fee is None else [*chosen, (CALL, fee)]


def _burn(kind: str, rate: BurnRate, facts: BurnFacts) -> Burn:
    count = facts.quantity if kind == CALL else facts.buckets[kind]
    credits = CONTEXT.divide(CONTEXT.multiply(count, rate.credits), rate.per)
    return Burn(rate.id, kind, count, to_stored(credits))


def parse_rates(told: object, path: str = "rates") -> tuple[list[BurnRate], list[FieldError]]:
    """The rates in the order in which they win, and every fault found, each with its field."""
    if not isinstance(told, list) or not told:
        return [], [FieldError(path, "required", "Write a list of rates, at least one.")]
    if len(told) > RATES_MAX:
        return [], [FieldError(path, "too_many", f"Write at most {RATES_MAX} rates.")]
    rates: list[BurnRate] = []
    errors: list[FieldError] = []
    for index, entry in enumerate(told):
        faults: list[FieldError] = []
        rate = _parse_rate(entry, f"{path}[{index}]", faults)
        errors += faults
        if rate is not None and not faults:
            rates.append(rate)
    ids = [rate.id for rate in rates]
    errors += [
        FieldError(f"{path}[{index}].id", "duplicate", f"Another rate has the id {id_}; give each its own.")
        for index, id_ in enumerate(ids)
        if id_ in ids[:index]
    ]
    return sorted(rates, key=lambda rate: rate.order), errors


def _parse_rate(entry: object, path: str, errors: list[FieldError]) -> BurnRate | None:
    if not isinstance(entry, Mapping):
        errors.append(FieldError(path, "invalid", 'Write {"id", "match", "credits", "per"}.'))
        return None
    for name in entry.keys() - {"id", "match", "credits", "per", "derived"}:
        detail = "A rate has id, match, credits and per; derived where a margin set it."
        errors.append(FieldError(f"{path}.{name}", "unknown", detail))
    derived = entry.get("derived", False)
    if not isinstance(derived, bool):
        errors.append(FieldError(f"{path}.derived", "invalid", "Write true or false."))
    id_ = entry.get("id")
    try:
        id_ = clean_key(id_ if isinstance(id_, str) else "")
    except TextError as error:
        errors.append(FieldError(f"{path}.id", "invalid", str(error)))
        id_ = ""
    credits = _number(entry.get("credits"), f"{path}.credits", errors)
    per = _number(entry.get("per", "1"), f"{path}.per", errors)
    if per == 0:
        errors.append(
            FieldError(f"{path}.per", "invalid", "Write for how many the credits are, such as 1000000.")
        )
    match = _parse_match(entry.get("match", {}), f"{path}.match", errors)
    if match is None:
        return None
    kinds = match.pop("token_kind", ())
    return BurnRate(id_, match, kinds, credits, per, derived is True)


def _parse_match(told: object, path: str, errors: list[FieldError]) -> dict[str, tuple[str, ...]] | None:
    if not isinstance(told, Mapping):
        errors.append(
            FieldError(path, "invalid", 'Write an object, such as {"model": "gpt-5"}; {} is the default.')
        )
        return None
    match = {}
    for name, value in told.items():
        place = f"{path}.{name}"
        if name not in MATCHED_BY_NAME and not _PROPERTY.fullmatch(str(name)):
            fields = ", ".join((*MATCHED_BY_NAME, "properties.NAME"))
            errors.append(FieldError(place, "unknown", f"Match by one of: {fields}."))
            continue
        values = value if isinstance(value, list) else [value]
        if not 0 < len(values) <= VALUES_MAX or not all(
            isinstance(one, str) and 0 < len(one) <= VALUE_CHARACTERS_MAX for one in values
        ):
            errors.append(
                FieldError(place, "invalid", f"Write a text, or a list of 1 to {VALUES_MAX} texts.")
            )
            continue
        if name == "token_kind" and not all(_KIND.fullmatch(one) for one in values):
            errors.append(
                FieldError(place, "invalid", "Write the name of a bucket, such as output; tokens; or call.")
            )
            continue
        same = canonical_provider if name == "provider" else str.lower
        match[name] = tuple(dict.fromkeys(same(one) for one in values))
    return match


def _number(value: object, path: str, errors: list[FieldError]) -> Decimal:
    try:
        return parse_number(value, negative=False)
    except NumberError as error:
        errors.append(FieldError(path, "invalid", str(error)))
        return ZERO


def _fits(name: str, wanted: Iterable[str], facts: BurnFacts) -> bool:
    if name == "family":
        return any(in_family(model, family) for model in facts.models for family in wanted)
    return any(value in wanted for value in facts.values(name))


def in_family(model: str, family: str) -> bool:
    """Whether the family's words stand in the model's name, next to one another.

    >>> in_family("claude-opus-4-5", "opus"), in_family("gpt-5.4", "gpt-5"), in_family("gpt-5-mini", "gpt-5")
    (True, False, True)
    """
    words, wanted = _WORDS.split(model.lower()), _WORDS.split(family.lower())
    return any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return plain(value) if isinstance(value, Decimal) else str(value)
