"""An event's usage, as its sender reports it: in our buckets, or as the provider's own response."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from core import limits
from core.problems import Invalid
from metering.formats.event_json import plain_values
from metering.formats.gateway_fields import fitting_id
from metering.formats.response_ids import own_id
from metering.formats.usage import BUCKETS, UsageError, canonical, normalize
from metering.formats.usage.fields import Fields
from metering.formats.usage.reply import open_reply

MODELS_MIXED = "mismatch:models"
USAGE_MISSING = "unknown:response.usage"
# Their readers know which calls count nothing by right.
APIS_OF_GATEWAYS = frozenset({"litellm", "opentelemetry"})


class ReportedUsage(msgspec.Struct, frozen=True):
    """The disjoint buckets, and what a response told beside them.

    ``raw`` keeps the provider's own usage with the surface it was read by, so that it can be read again by
    better rules. ``incomplete`` means that something billed may be missing from the buckets; ``flags`` say
    what.
    """

    buckets: dict[str, Decimal] = {}
    model: str = ""
    response_id: str = ""
    context: str = "standard"
    raw: dict[str, Any] | None = None
    flags: tuple[str, ...] = ()
    incomplete: bool = False
    mapping_version: str = ""


def read_usage(usage: Any) -> ReportedUsage:
    """Usage in our own shape. Raises ``Invalid`` with paths beginning in ``usage``."""
    if type(usage) is dict:
        # Nearly all usage is a few whole numbers under known names: not worth a reader's machinery.
        buckets = {}
        for name, count in usage.items():
            if type(count) is not int or name not in BUCKETS or not 0 <= count < 10**20:
                break
            if count:
                buckets[name] = Decimal(count)
        else:
            return ReportedUsage(buckets)
    try:
        return ReportedUsage(canonical(usage))
    except UsageError as error:
        raise Invalid.one(error.field, "usage", error.detail) from None


def read_response(response: Any, *, provider: Any, api: Any) -> ReportedUsage:
    """A provider's response, or its bare usage. Raises ``Invalid`` with paths beginning in ``response``."""
    try:
        usage = normalize(provider, api, response)
    except UsageError as error:
        raise Invalid.one(error.field, "usage", error.detail) from None
    flags = usage.flags
    if not usage.buckets and api not in APIS_OF_GATEWAYS:
        # A model that was asked has read or written something: this is a stream that was not asked for its usage.
        flags = (*flags, USAGE_MISSING)
    if len({part.model or usage.model for part in usage.parts}) > 1:
        # One event has one model to be priced by.
        flags = (*flags, MODELS_MIXED)
    return ReportedUsage(
        buckets=usage.buckets,
        model=usage.model or "",
        response_id=fitting_id(own_id(usage.response_id or "")) or "",
        # A tier that is none of ours has no price, under the beginning of its name as under the whole.
        context=(usage.service_tier or "standard")[: limits.EVENT_CONTEXT_CHARACTERS_MAX],
        raw={"api": api or "", "usage": plain_values(_own_usage(response))},
        flags=flags,
        incomplete=not usage.complete or MODELS_MIXED in flags or USAGE_MISSING in flags,
        mapping_version=usage.mapping_version,
    )


def _own_usage(response: Mapping[str, Any]) -> dict[str, Any]:
    usage: Fields = open_reply(response).usage
    return dict(usage.value)
