from metering.models.event import Event, EventConflict, EventStream, UnmatchedEvent
from metering.models.meter import Meter
from metering.models.usage import UniqueValue, UsageBucket

__all__ = ["Event", "EventConflict", "EventStream", "Meter", "UniqueValue", "UnmatchedEvent", "UsageBucket"]
