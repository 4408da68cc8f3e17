"""A customer's use by whatever its own calls carry."""

from datetime import timedelta

import pytest
from django.http import QueryDict
from django.test import Client

from billing.attribution.patience import TooBroad
from core import limits
from portal.queries.usage_by_path import read_split, short_name
from tests.billing.world import call, use
from tests.portal.conftest import visitor_of
from tests.portal.test_pages import rows_of, text_of
from tests.portal.world import Company


@pytest.fixture
def teams(acme: Company) -> Company:
    """Two teams, one of them with two users, and a call of nobody's."""
    at = acme.now - timedelta(hours=3)
    people = [
        {"team": "blue", "user": "u1"},
        {"team": "blue", "user": "u2"},
        {"team": "red", "user": "u3"},
        {},
    ]
    events = [
        call(
            f"t-{n}",
            at,
            provider="openai",
            model="gpt-5",
            usage={"input": 5, "output": 10 * (n + 1)},
            properties=who,
        )
        for n, who in enumerate(people)
    ]
    use(acme.customer, *events, now=acme.now)
    return acme


def by_name(client: Client, query: str) -> dict[str, dict[str, str]]:
    rows = rows_of(client, f"/portal/usage?days=7&format=csv&{query}")
    return {row[1]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}


def test_what_calls_carry_is_offered_and_told_apart(visitor: Client, teams: Company) -> None:
    page = text_of(visitor, "/portal/usage", by="team")
    assert ">Team</a>" in page and ">User</a>" in page and "by day and team" in page
    told = by_name(visitor, "by=team")
    assert {name: row["calls"] for name, row in told.items() if name != "not named"} == {
        "blue": "2",
        "red": "1",
    }
    assert told["blue"]["tokens"] == "40" and told["blue"]["money"] == ""
    assert float(told["blue"]["credits"]) > 0


def test_a_filter_keeps_what_it_names_also_what_has_no_name(visitor: Client, teams: Company) -> None:
    assert set(by_name(visitor, "by=user&only_team=blue")) == {"u1", "u2"}
    assert set(by_name(visitor, "by=user&only_team=blue&only_team=red&only_model=gpt-5")) == {
        "u1",
        "u2",
        "u3",
    }
    assert set(by_name(visitor, "by=user&only_team=not+named")) == {"not named"}
    assert by_name(visitor, "by=model&only_feature=not+named")["gpt-5"]["calls"] == "4"


def test_kinds_of_token_are_told_apart_in_tokens_alone(visitor: Client, teams: Company) -> None:
    told = by_name(visitor, "by=token_kind&only_team=red")
    assert {name: (row["tokens"], row["calls"]) for name, row in told.items()} == {
        "input": ("5", ""),
        "output": ("30", ""),
    }
    page = text_of(visitor, "/portal/usage", by="token_kind", unit="money")
    assert ">Output<" not in page and ">output<" in page and "<dt>Calls</dt>" not in page


def test_the_form_for_one_more_filter_leads_to_its_address(visitor: Client, teams: Company) -> None:
    answer = visitor.get("/portal/usage", {"by": "user", "where": "properties.team", "is": "red"})
    assert answer.status_code == 302 and answer["Location"] == "/portal/usage?by=user&only_team=red"
    assert visitor.get("/portal/usage", {"where": "cost", "is": "1"})["Location"] == "/portal/usage"


def test_many_names_are_added_up_as_others(
    visitor: Client, teams: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "USAGE_TOP_MAX", 1)
    told = by_name(visitor, "by=user&only_model=gpt-5&only_team=blue&only_team=red")
    assert set(told) == {"u3", "Other"} and told["Other"]["calls"] == "2"


def test_a_filter_that_nothing_passes_says_how_to_go_on(visitor: Client, teams: Company) -> None:
    page = text_of(visitor, "/portal/usage", by="user", only_team="green")
    assert "No call of these days passes the filter" in page and "Show all again" in page


def test_a_question_that_takes_too_long_is_said_in_place(
    visitor: Client, teams: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    def patient(*args: object, **kwargs: object) -> None:
        raise TooBroad("It was not answered within 15 seconds.")

    monkeypatch.setattr("portal.queries.usage_by_path.usage_answer", patient)
    answer = visitor.get("/portal/usage", {"by": "team"})
    page = answer.content.decode()
    assert answer.status_code == 422 and "not answered within 15 seconds" in page and "7 days" in page


def test_nobody_sees_anothers_names(teams: Company, globex: Company) -> None:
    other = visitor_of(globex)
    assert ">Team<" not in text_of(other, "/portal/usage", by="model")
    assert "blue" not in text_of(other, "/portal/usage", by="team", days="90")
    assert "blue" not in by_name(other, "by=team")


@pytest.mark.parametrize(
    "text", ["'; --", "%00", "%s", "{}", "customer", "day", "cost", "usage.output", "a b"]
)
def test_odd_words_are_no_error_of_ours(visitor: Client, text: str) -> None:
    for query in ({"by": text}, {f"only_{text}": "x"}, {"only_team": text}, {"where": text, "is": text}):
        assert visitor.get("/portal/usage", query).status_code in (200, 302), query


def test_names_are_as_short_as_they_can_be() -> None:
    names = (
        "team",
        "properties.team",
        "properties.model",
        "model",
        "feature",
        "step",
        "customer",
        "day",
        "cost",
    )
    assert [short_name(name) for name in names] == [
        *("team", "team", "properties.model", "model", "feature", "run.step", "", "", "")
    ]


def test_filters_are_bounded() -> None:
    query = "&".join(f"only_p{n}=x" for n in range(200))
    assert len(read_split(QueryDict(query)).only) == limits.METER_FILTER_PATHS_MAX
