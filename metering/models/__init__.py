from metering.models.arrival import ArrivalCount, RejectedEvent
from metering.models.backfill import Backfill, BackfillChunk, BackfillRow, BackfillStep, WithdrawnEvent
from metering.models.event import Event, EventConflict, EventRemoval, EventStream, UnmatchedEvent
from metering.models.meter import Meter
from metering.models.reported_call import ReportedCall, RicherReport
from metering.models.usage import UniqueValue, UsageBucket

__all__ = [
    "ArrivalCount",
    "Backfill",
    "BackfillChunk",
    "BackfillRow",
    "BackfillStep",
    "Event",
    "EventConflict",
    "EventRemoval",
    "EventStream",
    "Meter",
    "RejectedEvent",
    "ReportedCall",
    "RicherReport",
    "UniqueValue",
    "UnmatchedEvent",
    "UsageBucket",
    "WithdrawnEvent",
]
