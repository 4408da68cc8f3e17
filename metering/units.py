"""What a meter's quantity is called, so that a number of an invoice says what was counted."""

import re

from metering.event_paths import BUCKET_SUMS, PROPERTIES, USAGE
from metering.formats.usage import is_token_bucket
from metering.models import Meter

UNIT_CHARACTERS_MAX = 40
CALL = "call"
TOKEN = "token"
# A sum is called by its name where that is a plural or a sign, as pages and GB are; "paid" and "amount" say no unit.
SAYS_A_UNIT = re.compile(r"(s|\b\w{1,2})$")
# Where the path's own last word would say less than what it counts.
NAMED = {
    "quantity": "unit",
    "cost": "USD",
    "latency_ms": "ms",
    "run.id": "run",
    "usage.requests": CALL,
    "usage.web_search": "web search",
    "usage.maps_search": "map search",
    "usage.file_search": "file search",
    "usage.code_execution": "code run",
}


def unit_of(meter: Meter) -> str:
    """What one of the meter's quantity is called: its own ``unit``, else what its path names; nothing where that is no unit.

    >>> unit_of(Meter(aggregation="sum", value="usage.output")), unit_of(Meter(aggregation="count"))
    ('token', 'call')
    >>> unit_of(Meter(aggregation="unique", value="properties.team_member"))
    'team member'
    >>> unit_of(Meter(aggregation="sum", value="properties.pages", unit="page"))
    'page'
    >>> unit_of(Meter(aggregation="sum", value="properties.pages")), unit_of(Meter(aggregation="sum", value="properties.paid"))
    ('pages', '')
    """
    if meter.unit:
        return meter.unit
    path = meter.value
    if meter.aggregation == Meter.Aggregation.COUNT:
        return CALL
    if path in NAMED:
        return NAMED[path]
    name = path.removeprefix(USAGE).removeprefix(PROPERTIES)
    if path.startswith(USAGE) and (name in BUCKET_SUMS or is_token_bucket(name)):
        return TOKEN
    words = name.replace("_", " ")[:UNIT_CHARACTERS_MAX].strip()
    counts_names = meter.aggregation == Meter.Aggregation.UNIQUE
    return words if counts_names or path.startswith(USAGE) or SAYS_A_UNIT.search(words) else ""
