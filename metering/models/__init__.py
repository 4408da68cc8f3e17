from metering.models.event import Event, EventConflict, EventRemoval, EventStream, UnmatchedEvent
from metering.models.meter import Meter
from metering.models.usage import UniqueValue, UsageBucket

__all__ = [
    "Event",
    "EventConflict",
    "EventRemoval",
    "EventStream",
    "Meter",
    "UniqueValue",
    "UnmatchedEvent",
    "UsageBucket",
]
