"""Doing a thing once, however often it is asked: the answer is stored in the transaction of the effect."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from django.db import OperationalError, connection, transaction

from core import limits, texts
from core.models import IdempotencyRecord
from core.money import plain
from core.problems import Conflict, FieldError, Invalid, Problem


@dataclass(frozen=True)
class Answer:
    """What a state-changing request answers: a status and a JSON body, plain enough to be stored."""

    status: int
    body: dict[str, Any]
    replayed: bool = False


@dataclass(frozen=True)
class Once:
    """Names one request: whose it is (0 for no single customer), which endpoint, the client's key, and what
    was asked.
    """

    customer_id: int
    credential_id: int
    endpoint: str
    key: str
    request_hash: bytes


class StillRunning(Conflict):
    code = "in_progress"
    title = "The same request is being carried out"


def request_hash(*parts: Any) -> bytes:
    """A fingerprint of what was asked, blind to the order of names and to blanks in the JSON."""
    written = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=plain)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).digest()


def check_key(key: str) -> str:
    """The client's key, or ``Invalid`` when it is not 1 to 255 visible ASCII characters."""
    if not texts.VISIBLE_ASCII.fullmatch(key) or len(key) > limits.IDEMPOTENCY_KEY_CHARACTERS_MAX:
        detail = (
            f"Send 1 to {limits.IDEMPOTENCY_KEY_CHARACTERS_MAX} printable ASCII characters, such as a UUID."
        )
        raise Invalid(detail, (FieldError("Idempotency-Key", "idempotency_key", detail),))
    return key


def run_once(once: Once, act: Callable[[], Answer], *, now: datetime) -> Answer:
    """Carry out ``act``, or replay the answer it gave before.

    The record is inserted first, in the transaction of the effect: of two equal requests at the same moment
    the second waits for the first and replays it. A refusal rolls both back, so that a corrected or later try
    is free to succeed. Raises ``Invalid`` when the key was used for another request, ``StillRunning`` when
    the first takes longer than the lock time-out.
    """
    with transaction.atomic():
        if not _claim(once, now):
            return _replay(once)
        answer = act()
        IdempotencyRecord.objects.filter(pk=_primary_key(once)).update(
            status=answer.status, response=answer.body
        )
    return answer


def _claim(once: Once, now: datetime) -> bool:
    # The ORM can ignore a conflict, but does not say whether there was one.
    with connection.cursor() as cursor:
        try:
            cursor.execute(
                """
                INSERT INTO core_idempotencyrecord
                    (customer_id, credential_id, endpoint, key, request_hash, status, response, recorded_at)
                VALUES (%s, %s, %s, %s, %s, 0, '{}', %s)
                ON CONFLICT DO NOTHING
                """,
                [*_primary_key(once), once.request_hash, now],
            )
        except OperationalError as error:
            if isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                raise _still_running() from None
            raise
        return cursor.rowcount == 1


def _replay(once: Once) -> Answer:
    record = IdempotencyRecord.objects.filter(pk=_primary_key(once)).first()
    if record is None:
        raise _still_running()
    if bytes(record.request_hash) != once.request_hash:
        detail = "This Idempotency-Key was used for another request; take a fresh one for each."
        raise Invalid(detail, (FieldError("Idempotency-Key", "idempotency_key_reused", detail),))
    return Answer(record.status, record.response, replayed=True)


def _primary_key(once: Once) -> tuple[int, int, str, str]:
    return once.customer_id, once.credential_id, once.endpoint, once.key


def _still_running() -> Problem:
    return StillRunning(
        "The first request with this Idempotency-Key has not ended; ask again shortly.",
        extra={"retry_after_seconds": limits.IDEMPOTENCY_RETRY_SECONDS},
    )
