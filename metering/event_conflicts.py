"""Events that were refused because their id stands for another content."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from metering.models import EventConflict
from metering.new_event import NewEvent, as_kept

# Where the first of the two still waits for its customer.
NO_CUSTOMER = 0


@dataclass(frozen=True)
class Contradiction:
    """An event as received, the hash that its identity stands for, and its own."""

    event: NewEvent
    stored_hash: bytes
    received_hash: bytes

    def id_for(self, customer_id: int) -> UUID:
        """The same for the same contradiction, so that a client that keeps retrying leaves one row."""
        whose = f"{self.event.customer}\0" if customer_id == NO_CUSTOMER else ""
        text = f"{whose}{self.event.source}\0{self.event.id}\0".encode() + self.received_hash
        return UUID(bytes=blake2b(text, digest_size=16).digest())


def keep_conflicts(customer_id: int, contradictions: Sequence[Contradiction], *, now: datetime) -> None:
    """Keep each contradiction once, in the caller's transaction."""
    if not contradictions:
        return
    EventConflict.objects.bulk_create(
        [
            EventConflict(
                customer_id=customer_id,
                id=contradiction.id_for(customer_id),
                event_id=contradiction.event.id,
                source=contradiction.event.source,
                stored_hash=contradiction.stored_hash,
                received_hash=contradiction.received_hash,
                received=as_kept(contradiction.event),
                recorded_at=now,
            )
            for contradiction in contradictions
        ],
        ignore_conflicts=True,
    )
