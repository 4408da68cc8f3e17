"""Burn tables over time: announced ahead, never reaching back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.utils import DatabaseError

from core.problems import Conflict, Invalid, NotFound
from pricing.burn_tables import (
    BurnFacts,
    BurnHistory,
    Unlisted,
    add_version,
    burn,
    changes_between,
    create_table,
    facts_of,
    version_at,
)
from pricing.models import BurnTableVersion

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def rates(credits: str) -> list[dict[str, object]]:
    return [{"id": "out", "match": {"token_kind": "output"}, "credits": credits, "per": "1000"}]


def test_the_version_that_holds_at_the_time_of_the_event_burns_it() -> None:
    table = create_table("standard", "Standard", rates("1"), now=NOW)
    add_version("standard", rates("2"), effective_at=NOW + 30 * DAY, now=NOW)
    history = BurnHistory(table)

    for at, number in [(NOW, 1), (NOW + 30 * DAY - timedelta(microseconds=1), 1), (NOW + 30 * DAY, 2)]:
        assert version_at(table, at).number == history.version_at(at).number == number
    assert version_at(table, NOW - DAY) is None and history.version_at(NOW - DAY) is None
    assert history.next_version(NOW).number == 2
    facts = BurnFacts(buckets={"output": Decimal(500)})
    assert [b.credits for b in burn(history.version_at(NOW + 31 * DAY), facts)] == [Decimal(1)]


def test_a_version_cannot_reach_into_the_past() -> None:
    create_table("standard", "Standard", rates("1"), now=NOW)

    with pytest.raises(Invalid) as refused:
        add_version("standard", rates("2"), effective_at=NOW - DAY, now=NOW)
    assert [error.field for error in refused.value.errors] == ["effective_at"]


def test_a_second_announcement_for_the_same_instant_replaces_the_first() -> None:
    table = create_table("standard", "Standard", rates("1"), now=NOW)
    add_version("standard", rates("2"), effective_at=NOW + DAY, now=NOW)
    add_version("standard", rates("3"), effective_at=NOW + DAY, now=NOW)

    assert version_at(table, NOW + DAY).number == BurnHistory(table).version_at(NOW + DAY).number == 3


def test_history_tells_what_changed() -> None:
    table = create_table("standard", "Standard", rates("1"), now=NOW)
    later = add_version("standard", rates("2"), effective_at=NOW + DAY, now=NOW)

    [change] = changes_between(table.versions.get(number=1), later)
    assert (change.id, change.before.credits, change.after.credits) == ("out", Decimal(1), Decimal(2))


def test_an_event_that_no_rate_names_waits_unless_the_table_lets_it_go() -> None:
    only_gpt = [{"id": "gpt", "match": {"family": "gpt-5"}, "credits": "1", "per": "1"}]
    strict = create_table("strict", "Strict", only_gpt, now=NOW).versions.get()
    lenient = create_table("lenient", "Lenient", only_gpt, now=NOW, unlisted="free").versions.get()
    facts = BurnFacts(("claude-opus-4-5",))

    with pytest.raises(Unlisted, match="claude-opus-4-5"):
        burn(strict, facts)
    assert burn(lenient, facts) == []


def test_wrong_input_names_every_field() -> None:
    with pytest.raises(Invalid) as refused:
        create_table("a b", "", [{"id": "x", "credits": "a lot"}], now=NOW, unlisted="perhaps")
    assert {error.field for error in refused.value.errors} == {"key", "name", "rates[0].credits", "unlisted"}


def test_a_key_is_taken_once_and_a_missing_table_is_told() -> None:
    create_table("standard", "Standard", rates("1"), now=NOW)

    with pytest.raises(Conflict):
        create_table("standard", "Standard", rates("1"), now=NOW)
    with pytest.raises(NotFound):
        add_version("other", rates("1"), effective_at=NOW, now=NOW)


def test_the_database_refuses_to_change_a_version() -> None:
    create_table("standard", "Standard", rates("1"), now=NOW)

    with pytest.raises(DatabaseError), transaction.atomic():
        BurnTableVersion.objects.update(rates=[])


def test_a_model_goes_by_the_name_sent_and_by_ours(packaged_book: object) -> None:
    facts = facts_of(provider="anthropic", model="claude-sonnet-4-5-20250929", at=NOW, buckets={})

    assert facts.models == ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5")
