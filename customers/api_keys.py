"""API keys: made once, shown once, kept as a keyed hash."""

import hmac
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import Lock

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils.crypto import salted_hmac

from core import limits, texts
from core.http.credentials import SCOPES, Credential
from core.problems import Invalid
from core.remembered import forget_with
from customers.models import ApiKey, Customer

# A fixed opening lets secret scanners know a leaked key by sight.
OPENING = "bl_"
PREFIX_CHARACTERS = len(OPENING) + 10
KEY_CHARACTERS = PREFIX_CHARACTERS + 1 + 43


@dataclass(frozen=True)
class Seen:
    credential: Credential
    at: datetime


_seen: dict[bytes, Seen] = {}
_seen_lock = Lock()
forget_with(_seen.clear)


def create_api_key(
    *, name: str, scopes: Sequence[str], now: datetime, customer: Customer | None = None
) -> tuple[ApiKey, str]:
    """Make a key and return it with its plain text, which nobody can read again.

    Without a customer it is an operator's key. Raises ``Invalid`` for an unknown scope, or none, or a wrong
    name.
    """
    wrong = [scope for scope in scopes if scope not in SCOPES]
    if wrong or not scopes:
        raise Invalid.one("scopes", "scopes", f"Write one or more of: {', '.join(SCOPES)}.")
    try:
        clean_name = texts.clean_text(name, most=100)
    except texts.TextError as error:
        raise Invalid.one("name", "text", str(error)) from None
    prefix = OPENING + secrets.token_hex(5)
    plaintext = f"{prefix}_{secrets.token_urlsafe(32)}"
    key = ApiKey.objects.create(
        customer=customer,
        name=clean_name,
        prefix=prefix,
        digest=_digest(plaintext),
        scopes=sorted(set(scopes)),
        created_at=now,
    )
    return key, plaintext


def authenticate(plaintext: str, now: datetime) -> Credential | None:
    """Who holds the key, or None where it is unknown or revoked.

    A key that was good is taken for good for 30 seconds more in this process, without a query. The comparison
    takes as long for a wrong key as for a right one.
    """
    if len(plaintext) != KEY_CHARACTERS or not texts.VISIBLE_ASCII.fullmatch(plaintext):
        return None
    digest = _digest(plaintext)
    seen = _seen.get(digest)
    if seen and abs(now - seen.at) < timedelta(seconds=limits.API_KEY_CACHE_SECONDS):
        return seen.credential
    key = ApiKey.objects.filter(prefix=plaintext[:PREFIX_CHARACTERS]).first()
    if key is None or not hmac.compare_digest(bytes(key.digest), digest) or key.revoked_at is not None:
        return None
    credential = Credential(key.id, key.customer_id, frozenset(key.scopes))
    _remember(digest, Seen(credential, now))
    _note_use(key, now)
    return credential


def revoke_api_key(key: ApiKey, *, now: datetime) -> None:
    """Make the key worthless: here at once, in other processes within 30 seconds. Revoking twice changes
    nothing.
    """
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    with _seen_lock:
        for digest in [digest for digest, seen in _seen.items() if seen.credential.key_id == key.pk]:
            del _seen[digest]


def _digest(plaintext: str) -> bytes:
    keyed = _keyed_hash(settings.SECRET_KEY).copy()  # deriving the key anew would cost more than the hash
    keyed.update(plaintext.encode())
    return keyed.digest()


@cache
def _keyed_hash(secret: str) -> hmac.HMAC:
    return salted_hmac("burnline.api_key", "", secret, algorithm="sha256")


def _remember(digest: bytes, seen: Seen) -> None:
    with _seen_lock:
        if len(_seen) >= limits.API_KEY_CACHE_ENTRIES_MAX:
            _seen.clear()
        _seen[digest] = seen


def _note_use(key: ApiKey, now: datetime) -> None:
    if key.last_used_at and now - key.last_used_at < timedelta(seconds=limits.API_KEY_LAST_USED_SECONDS):
        return
    # A database that cannot write just now may still answer what was asked.
    with suppress(DatabaseError), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
