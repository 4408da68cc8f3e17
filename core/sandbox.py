"""The sandbox's clock: moved forward by hand, with everything that falls due on the way done at its own time."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from core import clock
from core.due_work import next_due_at, run_due
from core.models import SandboxClock
from core.problems import Conflict
from core.times import render_time

STEPS_MAX = 100_000


def set_clock(at: datetime) -> None:
    """Put the sandbox's clock to ``at``; it runs on from there."""
    SandboxClock.objects.update_or_create(id=1, defaults={"now": at, "set_at": datetime.now(UTC)})


def advance_clock(to: datetime) -> Counter[str]:
    """Move the clock forward to ``to``; returns the outcomes of the work that fell due.

    Work is run in order of its time, with the clock standing at that time, so a jump over three months leaves what three
    months would have left. Raises ``Conflict`` for a time that is past: facts already recorded would lie in its future.
    """
    present = clock.now()
    if to < present:
        raise Conflict(f"The sandbox's clock stands at {render_time(present)} and only moves forward.")
    outcomes: Counter[str] = Counter()
    for _ in range(STEPS_MAX):
        due_at = next_due_at()
        if due_at is None or due_at > to:
            break
        present = max(present, due_at)
        set_clock(present)
        step = run_due(present)
        outcomes += step
        if not step:  # leased elsewhere: its time comes again when the lease is over
            present = min(to, present + timedelta(minutes=5))
            if present == to:
                break
    set_clock(to)
    return outcomes
