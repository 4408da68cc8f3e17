"""One color per model, feature or customer, the same on every page."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2s

HUES = 8
TONES = 3
OTHER = "Other"

# Chosen so that the models and features most often seen side by side get hues of their own.
SALT = (1434).to_bytes(8, "big")


@dataclass(frozen=True)
class Hue:
    """Which of the eight hues, and in which tone where two names of one chart share it."""

    number: int | None
    tone: int = 1

    @property
    def css(self) -> str:
        name = "fill-other" if self.number is None else f"fill-{self.number}"
        return name if self.tone == 1 else f"{name} tone-{self.tone}"


def hue_number(name: str) -> int:
    """The hue of a name, from its letters alone: it needs no table and never changes.

    >>> hue_number("gpt-5") == hue_number("gpt-5"), 1 <= hue_number("claude-opus-4-5") <= HUES
    (True, True)
    """
    return blake2s(name.encode(), digest_size=4, salt=SALT).digest()[0] % HUES + 1


def hues_of(names: Iterable[str]) -> Mapping[str, Hue]:
    """The hue of each name of one chart; those that share a hue are told apart by its tone.

    The order of the names changes nothing, so that a name keeps its tone from chart to chart of the same names.
    """
    ordered = list(names)
    found: dict[str, Hue] = {}
    taken: dict[int, int] = {}
    for name in sorted(ordered):
        if name == OTHER:
            found[name] = Hue(None)
            continue
        number = hue_number(name)
        taken[number] = taken.get(number, 0) + 1
        found[name] = Hue(number, (taken[number] - 1) % TONES + 1)
    return {name: found[name] for name in ordered}
