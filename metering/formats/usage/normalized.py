"""What one response used, in disjoint buckets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from core.money import ZERO, exact
from metering.formats.usage.fields import UsageError

MAPPING_VERSION = "2026-11-21.2"
"""Changes with every change of how a surface is read: a stored event tells by which rules it was made."""

FLAGS_MAX = 20  # flags are stored with the event; one is enough to call a person, twenty to see what is wrong

_COUNT_LIMIT = Decimal(10) ** 20  # quantities are kept as NUMERIC(38,18)


@dataclass(frozen=True, slots=True)
class UsagePart:
    """What one model used. ``model`` is None where the response names none: the caller's model then."""

    model: str | None
    buckets: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class NormalizedUsage:
    """What one response used.

    ``parts`` has one entry a model, the response's own model first, without empty buckets. ``service_tier``
    is ``standard``, ``batch``, ``flex`` or ``priority`` where the response tells one of these, the
    provider's own word where it is another, else None. ``reported_cost`` is in USD, as the provider says.

    ``flags`` are short texts. ``unknown:<path>`` and ``mismatch:<path>`` mean that something billed may be
    missing from the buckets, so the event must not count as priced; all others only tell (``speed:fast``,
    ``byok``...).
    """

    parts: tuple[UsagePart, ...]
    flags: tuple[str, ...]
    model: str | None
    response_id: str | None
    service_tier: str | None
    mapping_version: str
    reported_cost: Decimal | None

    @property
    def buckets(self) -> dict[str, Decimal]:
        """All parts added up."""
        return added(part.buckets for part in self.parts)

    @property
    def complete(self) -> bool:
        """Whether the buckets hold all that the provider bills, as far as the response tells."""
        return not any(flag.startswith(("unknown:", "mismatch:")) for flag in self.flags)


@dataclass(slots=True)
class Reading:
    """What a surface reads out of a reply, before it is checked and closed."""

    parts: list[UsagePart] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    service_tier: str | None = None
    reported_cost: Decimal | None = None

    def flag(self, text: str) -> None:
        """Add a flag once."""
        if text not in self.flags:
            self.flags.append(text)


@exact
def added(several: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    """Buckets added up, name by name; empty ones are left out.

    >>> added([{"input": Decimal(2)}, {"input": Decimal(3), "output": Decimal(0)}])
    {'input': Decimal('5')}
    """
    sums: dict[str, Decimal] = {}
    for buckets in several:
        for name, number in buckets.items():
            sums[name] = sums.get(name, ZERO) + number
    for name, number in sums.items():
        if number >= _COUNT_LIMIT:
            raise UsageError(name, "It adds up to more than 20 digits; no response uses that much.")
    return {name: number for name, number in sums.items() if number}
