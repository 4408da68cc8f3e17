"""The double's clock: the machine's, moved forward by whatever a test has asked for."""

import time

from billing.stripe.double.state import State


class Clock:
    """Unix seconds. The shift is part of the state, so a restart does not turn the clock back."""

    def __init__(self, state: State) -> None:
        self.state = state

    def now(self) -> int:
        return int(time.time()) + int(self.state.fact("clock_shift_seconds", "0"))

    def advance(self, seconds: int) -> int:
        """Move forward and give the new time. Raises ValueError on a step back."""
        if seconds < 0:
            raise ValueError(f"the clock only moves forward, not by {seconds} seconds")
        shift = int(self.state.fact("clock_shift_seconds", "0")) + seconds
        self.state.set_fact("clock_shift_seconds", str(shift))
        return self.now()
