from metering.models.arrival import ArrivalCount, RejectedEvent
from metering.models.event import Event, EventConflict, EventRemoval, EventStream, UnmatchedEvent
from metering.models.meter import Meter
from metering.models.usage import UniqueValue, UsageBucket

__all__ = [
    "ArrivalCount",
    "Event",
    "EventConflict",
    "EventRemoval",
    "EventStream",
    "Meter",
    "RejectedEvent",
    "UniqueValue",
    "UnmatchedEvent",
    "UsageBucket",
]
