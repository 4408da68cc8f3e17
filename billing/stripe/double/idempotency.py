"""Idempotency keys as Stripe's v1 API keeps them.

The answer of a call that began to execute is kept for 24 hours and given again for the same key, failures
and 500s included. The same key with other parameters, or on another endpoint, is an error. A call that was
turned away before it executed (a parameter that fails validation, a rate limit, a key in use at that moment)
keeps nothing.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from billing.stripe.double.errors import Refusal
from billing.stripe.double.forms import Pairs
from billing.stripe.double.state import State

KEPT_SECONDS = 24 * 60 * 60
KEY_LENGTH_MAX = 255


@dataclass(frozen=True)
class Reply:
    """An answer as it was first given; ``kept`` where its key gives it again."""

    status: int
    body: dict[str, Any]
    request_id: str
    kept: bool = False


class IdempotencyKeys:
    """Kept answers by key. Which keys are executing right now is known to this process alone."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.executing: set[str] = set()
        self.guard = threading.Lock()

    @contextmanager
    def held(self, key: str | None) -> Iterator[None]:
        """Hold a key while its call executes. Raises Refusal (409) where another call holds it."""
        if key is None:
            yield
            return
        if len(key) > KEY_LENGTH_MAX:
            raise Refusal(
                f"Idempotency keys can be at most {KEY_LENGTH_MAX} characters; this one has {len(key)}."
            )
        with self.guard:
            if key in self.executing:
                raise Refusal(
                    "There is currently another in-progress request using this Idempotent Key (that probably "
                    f"means you submitted twice, and the other request is still going through): {key}.",
                    status=409,
                    code="idempotency_key_in_use",
                )
            self.executing.add(key)
        try:
            yield
        finally:
            with self.guard:
                self.executing.discard(key)

    def kept(self, key: str, endpoint: str, pairs: Pairs, now: int) -> Reply | None:
        """The answer kept under this key. Raises Refusal where the key was first used for something else."""
        found = self.state.rows(
            "select * from replies where key = ? and created > ?", key, now - KEPT_SECONDS
        )
        if not found:
            return None
        if found[0]["endpoint"] != endpoint:
            raise Refusal(
                "Keys for idempotent requests can only be used for the same endpoint they were first used "
                f"for ('{found[0]['endpoint']}' vs '{endpoint}'). Try using a key other than '{key}' if you "
                "meant to execute a different request.",
                kind="idempotency_error",
            )
        if found[0]["fingerprint"] != fingerprint(pairs):
            raise Refusal(
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return Reply(found[0]["status"], json.loads(found[0]["body"]), found[0]["request_id"], kept=True)

    def keep(self, key: str, endpoint: str, pairs: Pairs, reply: Reply, now: int) -> None:
        """Keep an answer, inside the transaction that it answers for."""
        with self.state.lock:
            self.state.connection.execute(
                "insert or replace into replies values (?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    endpoint,
                    fingerprint(pairs),
                    reply.request_id,
                    reply.status,
                    json.dumps(reply.body),
                    now,
                ),
            )


def fingerprint(pairs: Pairs) -> str:
    """The same for the same parameters in any order."""
    return hashlib.sha256(json.dumps(sorted(pairs)).encode()).hexdigest()
