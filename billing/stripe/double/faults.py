"""Faults to come: the next calls that match one fail in its way."""

import threading
from dataclasses import dataclass
from typing import Any

KINDS = {
    "rate_limited": "429 with Retry-After; nothing executed, nothing kept under the idempotency key",
    "error_before_commit": "500 and no effect; kept under the key only with saved=true",
    "error_after_commit": "the effect stays, the answer is 500, and the key keeps the 500",
    "timeout_before_commit": "the connection closes without an answer; nothing executed",
    "timeout_after_commit": "the effect stays, the key keeps the answer, the connection closes without one",
    "latency": "the effect is committed, webhooks may go out, and the answer comes `seconds` later",
}
BEFORE_EXECUTION = frozenset({"rate_limited", "timeout_before_commit"})
IN_EXECUTION = frozenset({"error_before_commit", "error_after_commit"})
ON_REPLY = frozenset({"timeout_after_commit", "latency"})


@dataclass
class Fault:
    """``times`` calls whose path begins with ``path`` and whose method is ``method`` ("" for any)."""

    kind: str
    path: str = "/v1/"
    times: int = 1
    method: str = ""
    seconds: float = 0
    retry_after: int = 1
    saved: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: one of {', '.join(KINDS)}, not {self.kind!r}")
        if not isinstance(self.times, int) or self.times < 1:
            raise ValueError(f"times: a count from 1, not {self.times!r}")
        if not isinstance(self.path, str) or not self.path.startswith("/"):
            raise ValueError(f"path: the beginning of a path such as /v1/invoices, not {self.path!r}")

    def matches(self, method: str, path: str) -> bool:
        """``*`` in the fault's path stands for one step, such as an id."""
        steps, sent = self.path.rstrip("/").split("/"), path.split("/")
        alike = all(want in ("*", have) for want, have in zip(steps, sent, strict=False))
        return len(sent) >= len(steps) and alike and self.method.upper() in ("", method)


class Faults:
    """The faults still to come, first asked for, first served."""

    def __init__(self) -> None:
        self.waiting: list[Fault] = []
        self.guard = threading.Lock()

    def add(self, kind: str, **terms: Any) -> Fault:
        """Raises ValueError or TypeError naming what is wrong with the fault."""
        fault = Fault(kind, **terms)
        with self.guard:
            self.waiting.append(fault)
        return fault

    def clear(self) -> None:
        with self.guard:
            self.waiting.clear()

    def take(self, kinds: frozenset[str], method: str, path: str) -> Fault | None:
        """The first waiting fault of these kinds that matches the call; it has one time less afterwards."""
        with self.guard:
            for fault in self.waiting:
                if fault.kind in kinds and fault.matches(method, path):
                    fault.times -= 1
                    if fault.times == 0:
                        self.waiting.remove(fault)
                    return fault
        return None
