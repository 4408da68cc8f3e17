"""What becomes of each event of a batch, beside what is stored."""

from collections.abc import Sequence
from datetime import datetime

from metering.event_conflicts import Contradiction
from metering.new_event import NewEvent
from metering.outcomes import Outcome
from metering.reported_calls import DOORS_NAMING_BY_CALL, CallBook, Report, names_a_call, report_of


class Comparison:
    """Goes through a batch in order; under the lock of the customer's stream, so that nobody stores in between.

    ``stored`` has the hashes of events that are stored under an id of the batch. Events of a time before ``removed`` are
    no longer kept, so nobody could tell whether a new one was counted. ``told_again`` are stored events that an event of
    the batch tells, under their own id or another report's of their call; by id and source, with the door it came through.
    """

    def __init__(
        self, stored: dict[tuple[str, str], bytes], calls: CallBook, removed: datetime | None
    ) -> None:
        self.stored = stored
        self.calls = calls
        self.removed = removed
        self.contradictions: list[Contradiction] = []
        self.outcomes: list[Outcome] = []
        self.told_again: list[tuple[str, str, str]] = []
        self._before = frozenset(stored)
        self._told_by: dict[str, int] = {}

    def compare(self, events: Sequence[NewEvent], digests: Sequence[bytes]) -> None:
        """Put each event's outcome into ``outcomes``, in order."""
        for event, digest in zip(events, digests, strict=True):
            self.outcomes.append(self._outcome(event, digest))

    @property
    def to_store(self) -> list[int]:
        """The places of what is accepted, but for reports that wait to take a stored event's place."""
        waiting = {self._told_by[response_id] for response_id in self.calls.richer}
        accepted = (n for n, outcome in enumerate(self.outcomes) if outcome is Outcome.ACCEPTED)
        return [n for n in accepted if n not in waiting]

    def _outcome(self, event: NewEvent, digest: bytes) -> Outcome:
        identity = (event.id, event.source)
        standing = self.calls.standing(event) if names_a_call(event) else None
        before = self.stored.get(identity)
        if before is None and standing is not None and standing.identity == identity:
            before = standing.digest
        if before is None and self.removed is not None and event.occurred_at < self.removed:
            return Outcome.TOO_OLD
        if before == digest:
            self._tell_again(event, identity)
            return Outcome.DUPLICATE
        if before is not None and not _another_report_of(standing, event):
            return self._conflict(event, before, digest)
        if names_a_call(event) and not _told_apart(standing, event):
            report = report_of(event, digest)
            if standing is not None and not report.agrees_with(standing):
                return self._conflict(event, standing.digest, digest)
            self._tell_again(event, identity)
            if standing is not None and report.detail <= standing.detail:
                return Outcome.DUPLICATE
            self._take(event, report)
        self.stored[identity] = digest
        return Outcome.ACCEPTED

    def _tell_again(self, event: NewEvent, identity: tuple[str, str]) -> None:
        counting = self.calls.counting.get(event.response_id)
        stored = identity if identity in self._before else counting
        if stored is not None:
            self.told_again.append((*stored, event.door))

    def _take(self, event: NewEvent, report: Report) -> None:
        self.calls.take(event, report)
        poorer = self._told_by.get(event.response_id)
        if poorer is not None:
            self.outcomes[poorer] = Outcome.DUPLICATE
        self._told_by[event.response_id] = len(self.outcomes)

    def _conflict(self, event: NewEvent, before: bytes, digest: bytes) -> Outcome:
        self.contradictions.append(Contradiction(event, before, digest))
        return Outcome.CONFLICT


def _told_apart(standing: Report | None, event: NewEvent) -> bool:
    """Whether one sender tells both events, under ids of its own: then it means two."""
    return standing is not None and standing.source == event.source and standing.event_id != event.id


def _another_report_of(standing: Report | None, event: NewEvent) -> bool:
    """Whether the event stored under the same id is another emitter's report of the same call.

    Whoever's report stands for the call by now: an id that is the call's own can stand for nothing else.
    """
    return event.door in DOORS_NAMING_BY_CALL and event.id == event.response_id and standing is not None
