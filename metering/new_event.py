"""An event as it comes in: read and checked, not yet stored."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from core.money import plain


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event in our own shape, whatever door it came through.

    ``customer`` is the customer's key, ``usage`` the disjoint buckets. ``time_given`` says whether the client
    named the time: a time that we filled in is no part of the content, or a retry would contradict its first
    try. ``raw`` is the provider's own usage; ``incomplete`` says that it may hold something billed that
    ``usage`` does not, ``flags`` what. ``response_id`` is the provider's own id for the call.
    """

    id: str
    source: str
    customer: str
    type: str
    occurred_at: datetime
    time_given: bool = True
    provider: str = ""
    model: str = ""
    context: str = "standard"
    usage: dict[str, Decimal] = {}
    quantity: Decimal = Decimal(1)
    status: str = "ok"
    latency_ms: int | None = None
    hold: str = ""
    run_id: str = ""
    response_id: str = ""
    run: dict[str, Any] | None = None
    properties: dict[str, Any] = {}
    raw: dict[str, Any] | None = None
    flags: tuple[str, ...] = ()
    incomplete: bool = False
    mapping_version: str = ""
    door: str = "native"

    @property
    def usage_text(self) -> dict[str, str]:
        """The buckets as they are stored: plain decimal text."""
        written = list(map(str, self.usage.values()))
        if "".join(written).isdigit():
            return dict(zip(self.usage, written, strict=True))
        return {name: plain(count) for name, count in self.usage.items()}


def plain_count(number: Decimal) -> str:
    """The number in plain digits; most are whole, and those need no formatting."""
    written = str(number)
    return written if written.isdigit() else plain(number)


def as_kept(event: NewEvent) -> dict[str, Any]:
    """The event as plain JSON values, decimals as text: how conflicts and unmatched events are kept."""
    kept: dict[str, Any] = msgspec.to_builtins(event)
    return kept


def from_kept(kept: dict[str, Any]) -> NewEvent:
    """The event that ``as_kept`` wrote down."""
    return msgspec.convert(kept, NewEvent)
