"""What would become of events, rated in full and stored nowhere; done by the room that rates."""

from collections.abc import Callable, Sequence
from typing import Any

from core.problems import Unavailable
from metering.new_event import NewEvent

# Receives the events, and whether the answer is for an operator, who alone may see costs.
DryRun = Callable[[Sequence[NewEvent], bool], list[dict[str, Any]]]
_dry_run: DryRun | None = None


def hand_over_dry_run(dry_run: DryRun) -> None:
    """Name the function that makes receipts without storing. Called once, at start."""
    global _dry_run
    _dry_run = dry_run


def receipts_of(events: Sequence[NewEvent], *, for_operator: bool) -> list[dict[str, Any]]:
    """A receipt for each event, in order, as if it were stored now."""
    if _dry_run is None:
        raise Unavailable("Dry runs are not set up in this process.")
    return _dry_run(events, for_operator)
