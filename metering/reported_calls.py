"""One call of a model, told by several programs: it counts once, by the report that tells most.

An SDK, an instrumentation and a gateway may each report the same call, each under an id of its own. What they share is
the id that the provider gave its response. The first report is stored as any event. A later one that agrees is a
duplicate, unless it tells more kinds of tokens apart: then it is kept, and takes the first one's place as soon as what
that one came to can be worked out anew, which is for the room above.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import connection

from core.money import ZERO
from metering.formats.usage import is_prompt_bucket, is_token_bucket
from metering.models import RicherReport
from metering.new_event import NewEvent, as_kept

# Providers' ids are long and random; a short one is a client's own, and may come again for another call.
RESPONSE_ID_CHARACTERS_MIN = 8
# Here nobody chooses an event's id: it is the call's, so that reports of several emitters may bear the same one.
DOORS_NAMING_BY_CALL = frozenset({"otlp"})
# This instrumentation adds what a stream's first event tells of the answer, a few tokens, to what its last one tells, which
# holds them. What it reports is the same call all the same.
COUNTS_BEGINNINGS_TWICE = "opentelemetry.instrumentation.anthropic"
BEGINNING_TOKENS_MAX = 32


@dataclass(frozen=True, slots=True)
class Report:
    """What one event told of a call: the whole sides of it in tokens, and how much it told apart."""

    event_id: str
    source: str
    input: Decimal
    output: Decimal
    detail: int
    digest: bytes
    emitter: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        return self.event_id, self.source

    def agrees_with(self, other: "Report") -> bool:
        """Whether both can tell of one call. One that does not know all of the usage contradicts nothing."""
        if not (self.detail and other.detail):
            return True
        more, less = (self, other) if self.output > other.output else (other, self)
        beginning = BEGINNING_TOKENS_MAX if more.emitter == COUNTS_BEGINNINGS_TWICE else 0
        return more.input == less.input and more.output - less.output <= beginning


@dataclass(slots=True)
class CallBook:
    """The calls that a batch tells of, under the lock of their customer's stream.

    ``known`` are those reported before, with the event that is ``counting`` each so far; ``fresh`` those that an event of
    the batch counts, and ``richer`` the reports that are to take the place of a stored event.
    """

    known: dict[str, Report] = field(default_factory=dict)
    counting: dict[str, tuple[str, str]] = field(default_factory=dict)
    fresh: dict[str, Report] = field(default_factory=dict)
    richer: dict[str, tuple[Report, NewEvent]] = field(default_factory=dict)

    def standing(self, event: NewEvent) -> Report | None:
        """The report that counts for the event's call so far, or is about to."""
        if event.response_id in self.richer:
            return self.richer[event.response_id][0]
        return self.fresh.get(event.response_id) or self.known.get(event.response_id)

    def take(self, event: NewEvent, report: Report) -> None:
        """Have this report count for the event's call from now on."""
        if event.response_id in self.known:
            self.richer[event.response_id] = report, event
        else:
            self.fresh[event.response_id] = report


_replacing: Callable[[int, datetime], None] = lambda customer_id, now: None  # noqa: E731


def hand_over_replacing(make_due: Callable[[int, datetime], None]) -> None:
    """Name the function that makes due, in the caller's transaction, that richer reports take their place."""
    global _replacing
    _replacing = make_due


def names_a_call(event: NewEvent) -> bool:
    """Whether the event tells a call's usage, or lacks it, under a provider's id that others would know the call by.

    An event that merely names the response it came of, such as a solved ticket, reports no call.
    """
    tells = bool(event.usage) or event.incomplete or event.door in DOORS_NAMING_BY_CALL
    return tells and len(event.response_id) >= RESPONSE_ID_CHARACTERS_MIN


def report_of(event: NewEvent, digest: bytes) -> Report:
    """
    >>> from datetime import UTC, datetime
    >>> event = NewEvent(id="e1", source="api", customer="acme", type="llm.call", occurred_at=datetime.now(UTC),
    ...     usage={"input": Decimal(40), "cache_read": Decimal(60), "output": Decimal(7)})
    >>> report = report_of(event, b"")
    >>> str(report.input), str(report.output), report.detail
    ('100', '7', 3)
    """
    tokens = {bucket: count for bucket, count in event.usage.items() if is_token_bucket(bucket)}
    into = sum((count for bucket, count in tokens.items() if is_prompt_bucket(bucket)), ZERO)
    out = sum(tokens.values(), ZERO) - into
    detail = 0 if event.incomplete else len(event.usage)
    return Report(event.id, event.source, into, out, detail, digest, event.properties.get("emitter", ""))


def note_new_calls(customer_id: int, reports: Sequence[tuple[str, Report]]) -> bool:
    """Note calls that nobody has reported yet; False, and the transaction is to be undone, where somebody has."""
    return not reports or _write(customer_id, reports, "NOTHING") == len(reports)


def note_calls(customer_id: int, calls: CallBook, *, now: datetime) -> None:
    """Note which event counts each call, and keep the reports that are to take an event's place."""
    take_over(customer_id, calls.fresh.items())
    if calls.richer:
        RicherReport.objects.bulk_create(
            [_waiting(customer_id, name, *told, now) for name, told in calls.richer.items()],
            update_conflicts=True,
            unique_fields=["customer_id", "response_id"],
            update_fields=[
                "event_id",
                "source",
                "input",
                "output",
                "detail",
                "content_hash",
                "received",
                "recorded_at",
            ],
        )
        _replacing(customer_id, now)


def forget_removed_calls(customer_id: int) -> None:
    """Forget the calls whose events are no longer kept, and the reports that waited for one of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM metering_reportedcall c WHERE c.customer_id = %s AND NOT EXISTS (
                SELECT 1 FROM metering_event e
                WHERE e.customer_id = c.customer_id AND e.event_id = c.event_id AND e.source = c.source)
            """,
            [customer_id],
        )
        cursor.execute(
            """
            DELETE FROM metering_richerreport r WHERE r.customer_id = %s AND NOT EXISTS (
                SELECT 1 FROM metering_reportedcall c
                WHERE c.customer_id = r.customer_id AND c.response_id = r.response_id)
            """,
            [customer_id],
        )


def take_over(customer_id: int, reports: Iterable[tuple[str, Report]]) -> None:
    """Note which event counts each call, whichever did before."""
    _write(customer_id, reports, TAKEN_OVER)


def known_calls(customer_id: int, response_ids: Sequence[str]) -> CallBook:
    """The calls among these that a stored event counts, each as its richest report tells it."""
    calls = CallBook()
    if not response_ids:
        return calls
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.response_id, coalesce(r.event_id, c.event_id), coalesce(r.source, c.source),
                coalesce(r.input, c.input), coalesce(r.output, c.output), coalesce(r.detail, c.detail),
                coalesce(r.content_hash, e.content_hash),
                coalesce(r.received -> 'properties', e.properties) ->> 'emitter', c.event_id, c.source
            FROM metering_reportedcall c
            JOIN metering_event e
                ON e.customer_id = c.customer_id AND e.event_id = c.event_id AND e.source = c.source
            LEFT JOIN metering_richerreport r
                ON r.customer_id = c.customer_id AND r.response_id = c.response_id
            WHERE c.customer_id = %s AND c.response_id = ANY(%s)
            """,
            [customer_id, list(response_ids)],
        )
        for response_id, event_id, source, into, out, detail, digest, emitter, *counting in cursor.fetchall():
            calls.known[response_id] = Report(
                event_id, source, into, out, detail, bytes(digest), emitter or ""
            )
            calls.counting[response_id] = counting[0], counting[1]
    return calls


TAKEN_OVER = """UPDATE SET event_id = excluded.event_id, source = excluded.source, input = excluded.input,
    output = excluded.output, detail = excluded.detail"""


def _write(customer_id: int, reports: Iterable[tuple[str, Report]], on_conflict: str) -> int:
    rows = [(name, r.event_id, r.source, r.input, r.output, r.detail) for name, r in reports]
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO metering_reportedcall (customer_id, response_id, event_id, source, input, output, detail)
            SELECT %s, * FROM unnest(%s::text[], %s::text[], %s::text[], %s::numeric[], %s::numeric[], %s::smallint[])
            ON CONFLICT (customer_id, response_id) DO {on_conflict}
            """,
            [customer_id, *(list(column) for column in zip(*rows, strict=True))],
        )
        return int(cursor.rowcount)


def _waiting(
    customer_id: int, response_id: str, report: Report, event: NewEvent, now: datetime
) -> RicherReport:
    return RicherReport(
        customer_id=customer_id,
        response_id=response_id,
        event_id=report.event_id,
        source=report.source,
        input=report.input,
        output=report.output,
        detail=report.detail,
        content_hash=report.digest,
        received=as_kept(event),
        recorded_at=now,
    )
