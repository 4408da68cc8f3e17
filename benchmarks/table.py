"""What was measured, as one table: median and spread of the rounds, beside the floor of the same rounds and the target."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Literal


@dataclass(frozen=True)
class Target:
    """What is to be reached: a ``ratio`` to the floor or a value of at ``least``, or a value of at ``most`` so much."""

    kind: Literal["ratio", "least", "most"]
    bound: float

    def __str__(self) -> str:
        return f"{'≤' if self.kind == 'most' else '≥'} {_number(self.bound)}{' ×' if self.kind == 'ratio' else ''}"


@dataclass
class Line:
    """One thing that was measured in several rounds. ``floors`` are what it is compared with, of the same rounds."""

    name: str
    unit: str = "events/s"
    values: list[float] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    target: Target | None = None

    @property
    def ratios(self) -> list[float]:
        return [value / floor for value, floor in zip(self.values, self.floors, strict=False)]

    @property
    def reached(self) -> bool | None:
        if self.target is None or not self.values:
            return None
        told = median(self.ratios if self.target.kind == "ratio" else self.values)
        return told <= self.target.bound if self.target.kind == "most" else told >= self.target.bound


def print_table(title: str, lines: Iterable[Line]) -> bool:
    """Print the lines; whether everything that has a target reached it."""
    head = f"{'median':>10}  {'min – max':<19}{'unit':<11}{'floor':>9}  {'× floor (min – max)':<22}{'target':<11}reached"
    print(f"\n{title:<38}{head}", flush=True)
    held = True
    for line in lines:
        print(_row(line), flush=True)
        held = held and line.reached is not False
    return held


def _row(line: Line) -> str:
    floor = _number(median(line.floors)) if line.floors else ""
    ratio = f"{median(line.ratios):.2f} ({_spread(line.ratios, 2)})" if line.floors else ""
    target = str(line.target) if line.target else ""
    verdict = {True: "yes", False: "NO", None: ""}[line.reached]
    return (
        f"{line.name:<38}{_number(median(line.values)):>10}  {_spread(line.values):<19}{line.unit:<11}"
        f"{floor:>9}  {ratio:<22}{target:<11}{verdict}"
    ).rstrip()


def _spread(values: list[float], digits: int | None = None) -> str:
    if digits is not None:
        return f"{min(values):.{digits}f} – {max(values):.{digits}f}"
    return f"{_number(min(values))} – {_number(max(values))}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
