"""Value events: which events are outcomes that a customer values, and how the work that led to one is found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from billing.attribution.question import filter_json, read_filter
from billing.models import ValueEvent
from core import limits, texts
from core.fields import Fields
from core.problems import Conflict, NotFound
from metering.event_columns import CUSTOMER, TIMES, TOKEN_KIND, whole_path
from metering.event_paths import PathError

LINKS_DEFAULT = ("run.id", "properties.session", "properties.user", "properties.task")
WINDOW_DAYS_DEFAULT = 7


@dataclass(frozen=True)
class ValueEventTerms:
    """A value event that is read and checked, not yet stored."""

    key: str
    name: str
    event_type: str
    filter: Mapping[str, Any]
    links: tuple[str, ...]
    window_days: int
    reversed_by: str
    reversal_days: int


def read_value_event(data: Any) -> ValueEventTerms:
    """A value event from its JSON. Raises ``Invalid`` with every field that is wrong."""
    fields = Fields(data)
    reversed_by = fields.text("reversed_by", most=limits.EVENT_TYPE_CHARACTERS_MAX, default="")
    terms = ValueEventTerms(
        key=fields.key("key"),
        name=fields.text("name", default=""),
        event_type=fields.text("event_type", most=limits.EVENT_TYPE_CHARACTERS_MAX),
        filter=filter_json(fields.parsed("filter", read_filter, (), code="filter", stand_in=())),
        links=_read_links(fields),
        window_days=fields.integer(
            "window_days", WINDOW_DAYS_DEFAULT, least=1, most=limits.VALUE_WINDOW_DAYS_MAX
        ),
        reversed_by=reversed_by,
        reversal_days=fields.integer(
            "reversal_days", 14 if reversed_by else 0, least=0, most=limits.VALUE_WINDOW_DAYS_MAX
        ),
    )
    if reversed_by and reversed_by == terms.event_type:
        fields.refuse("reversed_by", "itself", "An outcome is taken back by an event of another type.")
    fields.done()
    return terms


def create_value_event(terms: ValueEventTerms, *, now: datetime) -> ValueEvent:
    """Store a value event. Raises ``Conflict`` when the key is taken: it never changes."""
    try:
        with transaction.atomic():
            return ValueEvent.objects.create(
                key=terms.key,
                name=terms.name,
                event_type=terms.event_type,
                filter=dict(terms.filter),
                links=list(terms.links),
                window_days=terms.window_days,
                reversed_by=terms.reversed_by,
                reversal_days=terms.reversal_days,
                created_at=now,
            )
    except IntegrityError:
        raise Conflict(
            f"There is a value event with the key {terms.key!r} already. It never changes: take another key."
        ) from None


def archive_value_event(key: str, *, now: datetime) -> ValueEvent:
    """Take it off the pages; it can still be read. Again is no error. Raises ``NotFound``."""
    found = value_event_by_key(key)
    if found.archived_at is None:
        found.archived_at = now
        found.save(update_fields=["archived_at"])
    return found


def value_event_by_key(key: str) -> ValueEvent:
    """The value event. Raises ``NotFound``."""
    found = ValueEvent.objects.filter(key=key).first() if texts.KEY.fullmatch(key) else None
    if found is None:
        raise NotFound("There is no value event with that key.")
    return found


def value_events_in_use() -> list[ValueEvent]:
    return list(ValueEvent.objects.filter(archived_at=None).order_by("created_at", "id"))


def _read_links(fields: Fields) -> tuple[str, ...]:
    written = fields.items("links", most=limits.VALUE_LINKS_MAX, default=list(LINKS_DEFAULT))
    try:
        links = tuple(whole_path(_link(item)) for item in written)
        if not links or len(set(links)) < len(links):
            raise PathError("Write 1 to 4 different paths, the strongest first, such as run and session.")
    except PathError as error:
        fields.refuse("links", "path", str(error))
        return LINKS_DEFAULT
    return links


def _link(item: Any) -> str:
    if not isinstance(item, str) or len(item) > limits.NAME_CHARACTERS_MAX:
        raise PathError("Write a list of paths: run, session, properties.ticket.")
    if item in (CUSTOMER, TOKEN_KIND, *TIMES) or texts.UNSTORABLE.search(item):
        raise PathError(f"{item[:40]!r} links too much together; write run, session or a property.")
    return item
