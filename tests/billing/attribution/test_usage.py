"""Grouped sums against a reading of every event by hand, in fractions."""

from datetime import timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from billing.attribution.measures import measure_named
from billing.attribution.patience import TooBroad, bounded_reading
from billing.attribution.question import read_filter
from billing.attribution.sources import answered_by_buckets
from billing.attribution.span import days, zones_of
from billing.attribution.usage import usage_answer
from billing.models import CreditDraw
from core.fields import Fields
from core.http.pagination import PageRequest
from customers.models import Customer
from metering.event_columns import whole_path
from metering.event_paths import PathError, as_text
from metering.events import store_events
from metering.models import Event
from tests.billing.attribution.by_hand import END, ODD, a_world, by_hand, measures, question, told
from tests.billing.world import START, a_customer, a_meter, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def made_once(made_for_the_module: None) -> list[Customer]:
    return a_world()


@pytest.fixture
def world(made_once: list[Customer], db: None) -> list[Customer]:
    for customer in made_once:
        customer.refresh_from_db()
    return made_once


EVERY = (
    "cost",
    "events",
    "tokens",
    "quantity",
    "credits",
    "failed",
    "failed_cost",
    "failed_credits",
    "retries",
    "retry_cost",
)
OF_BUCKETS = ("cost", "events", "tokens", "credits", "failed", "failed_cost")


class TestSums:
    @pytest.mark.parametrize(
        "group_by",
        [
            (),
            ("customer",),
            ("model", "feature"),
            ("status", "provider", "type"),
            ("run.id", "run.step", "run.attempt"),
            ("hour",),
            ("day", "feature"),
            ("week", "customer", "model"),
            ("month",),
            (f"properties.{ODD}", "team"),
            ("nowhere",),
        ],
    )
    def test_they_are_those_of_the_events_one_by_one(
        self, world: list[Customer], group_by: tuple[str, ...]
    ) -> None:
        asked = question(*group_by, measures=measures(*EVERY))
        assert not answered_by_buckets(asked)
        expected = by_hand(asked.group_by)
        assert told(usage_answer(asked)) == {
            names: {name: sums[name] for name in EVERY} for names, sums in expected.items()
        }

    @pytest.mark.parametrize(
        "group_by", [(), ("customer", "feature"), ("type", "model"), ("day", "feature"), ("hour", "customer")]
    )
    def test_the_hourly_sums_say_the_same(self, world: list[Customer], group_by: tuple[str, ...]) -> None:
        fields = {"start": START - timedelta(minutes=30)} if "hour" not in group_by else {}
        for customer in world if fields or group_by else world[:1]:
            start = START - timedelta(minutes=30) if customer.key == "beta" else START
            end = END + timedelta(minutes=30) if customer.key == "beta" else END
            asked = question(
                *group_by, measures=measures(*OF_BUCKETS), customer=customer, start=start, end=end
            )
            assert answered_by_buckets(asked)
            expected = by_hand(asked.group_by, lambda event, mine=customer.id: event.customer_id == mine)
            assert told(usage_answer(asked)) == {
                names: {name: sums[name] for name in OF_BUCKETS} for names, sums in expected.items()
            }

    def test_what_is_not_rated_yet_is_in_the_hourly_sums_too(self, world: list[Customer]) -> None:
        late = call("late", START + timedelta(days=3), customer="acme", usage={"output": 77})
        store_events([late], now=END)
        asked = question("feature", measures=measures("tokens", "events"), customer=world[0])
        assert answered_by_buckets(asked)
        expected = by_hand(asked.group_by, lambda event: event.customer_id == world[0].id)
        assert told(usage_answer(asked)) == {
            names: {"tokens": sums["tokens"], "events": sums["events"]} for names, sums in expected.items()
        }

    def test_days_are_each_customers_own(self, world: list[Customer]) -> None:
        first, last = START.date() + timedelta(days=5), START.date() + timedelta(days=9)
        asked = question("customer", span=days(first, last, zones_of(None)), measures=measures("events"))
        slow = question("customer", "status", span=asked.span, measures=measures("events"))
        assert answered_by_buckets(asked) and not answered_by_buckets(slow)
        zones = dict(Customer.objects.values_list("id", "timezone"))

        def keep(event: Event) -> bool:
            return first <= event.occurred_at.astimezone(ZoneInfo(zones[event.customer_id])).date() < last

        for each in (asked, slow):
            expected = by_hand(each.group_by, keep)
            assert {names: sums["events"] for names, sums in told(usage_answer(each)).items()} == {
                names: sums["events"] for names, sums in expected.items()
            }

    def test_an_edge_inside_an_hour_is_answered_from_the_events(self, world: list[Customer]) -> None:
        start = START + timedelta(days=10, minutes=17)
        asked = question("model", start=start)
        assert not answered_by_buckets(asked)
        expected = by_hand(asked.group_by, lambda event: event.occurred_at >= start)
        assert {names: sums["cost"] for names, sums in told(usage_answer(asked)).items()} == {
            names: sums["cost"] for names, sums in expected.items()
        }

    def test_buckets_of_usage_are_measures(self, world: list[Customer]) -> None:
        names = ("usage.output", "usage.input_total")
        answer = usage_answer(question("model", measures=measures(*names)))
        expected = by_hand(["model"])
        assert told(answer) == {key: {name: sums[name] for name in names} for key, sums in expected.items()}

    def test_by_token_kind_the_parts_make_up_the_whole_cost(self, world: list[Customer]) -> None:
        asked = question("token_kind", "model", measures=measures("cost", "tokens", "failed_cost"))
        answer = usage_answer(asked)
        kinds = {row.names[0] for row in answer.rows}
        assert {"input", "output", "cache_read", "cache_write_2h", "web_search"} <= kinds
        whole = by_hand([])[()]
        for name in ("cost", "tokens", "failed_cost"):
            assert Fraction(answer.total[name]) == whole[name]
            assert sum(Fraction(row.sums[name]) for row in answer.rows) == whole[name]
        output = sum(row.sums["tokens"] for row in answer.rows if row.names[0] == "output")
        assert output == by_hand([])[()]["usage.output"]
        assert all(row.sums["tokens"] == 0 for row in answer.rows if row.names[0] == "web_search")

    def test_latency_is_a_mean_of_the_calls_that_tell_it(self, world: list[Customer]) -> None:
        answer = usage_answer(question(measures=measures("latency")))
        known = [event.latency_ms for event in Event.objects.exclude(latency_ms=None)]
        mean = measure_named("latency").of(answer.rows[0].sums)
        assert mean is not None and abs(Fraction(mean) - Fraction(sum(known), len(known))) <= Fraction(1, 20)


class TestFilters:
    @pytest.mark.parametrize(
        ("written", "keep"),
        [
            ({"model": ["claude-opus-4-5"]}, lambda e: e.model == "claude-opus-4-5"),
            ({"team": {"not_in": ["red"]}}, lambda e: e.properties["team"] != "red"),
            (
                {"feature": {"exists": True}},
                lambda e: as_text(e.properties.get("feature")) not in (None, ""),
            ),
            ({"feature": {"exists": False}}, lambda e: as_text(e.properties.get("feature")) in (None, "")),
            ({"feature": [ODD, "12", "true"]}, lambda e: e.properties.get("feature") in (ODD, 12, True)),
            ({"step": [2], "run": {"exists": True}}, lambda e: (e.run or {}).get("step") == 2),
            ({"status": {"not_in": ["ok"]}, "customer": "acme"}, lambda e: e.status != "ok"),
        ],
    )
    def test_they_keep_what_they_say(self, world: list[Customer], written: Any, keep: Any) -> None:
        asked = question("type", conditions=read_filter(written), measures=measures("events", "quantity"))
        if "customer" in written:
            mine = world[0].id
            expected = by_hand(["type"], lambda e: keep(e) and e.customer_id == mine)
        else:
            expected = by_hand(["type"], keep)
        assert expected
        assert {names: sums["events"] for names, sums in told(usage_answer(asked)).items()} == {
            names: sums["events"] for names, sums in expected.items()
        }

    @pytest.mark.parametrize(
        "written",
        [
            "[]",
            "{",
            '{"model": []}',
            '{"model": {"like": "x"}}',
            '{"usage.output": ["1"]}',
            '{"day": ["2026-01-01"]}',
            '{"model": {"exists": 1}}',
            '{"model": [null]}',
            '{"a": "\\u0000"}',
        ],
    )
    def test_what_makes_no_sense_is_refused(self, written: str) -> None:
        with pytest.raises(ValueError):
            read_filter(written)


class TestTheLargest:
    def test_the_rest_is_added_up_to_the_last_digit(self, world: list[Customer]) -> None:
        whole = usage_answer(question("run.id", "team", measures=measures("cost", "events")))
        answer = usage_answer(question("run.id", "team", measures=measures("cost", "events"), top=3))
        assert [row.names for row in answer.rows] == [row.names for row in whole.rows[:3]]
        (rest,) = answer.other
        assert rest.sums["cost"] == sum(row.sums["cost"] for row in whole.rows[3:])
        assert answer.total == whole.total

    def test_a_name_is_kept_on_every_day_or_on_none(self, world: list[Customer]) -> None:
        whole = usage_answer(question("feature"))
        largest = {row.names[0] for row in whole.rows[:2]}
        answer = usage_answer(question("week", "feature", top=2))
        assert {row.names[1] for row in answer.rows} == largest
        by_week = usage_answer(question("week"))
        for week in by_week.rows:
            parts = [row for row in (*answer.rows, *answer.other) if row.names[0] == week.names[0]]
            assert sum(row.sums["cost"] for row in parts) == week.sums["cost"]

    def test_where_everything_is_shown_nothing_is_left(self, world: list[Customer]) -> None:
        assert usage_answer(question("team", top=50)).other == ()


class TestPages:
    @pytest.mark.parametrize("group_by", [("run.id", "team"), ("week", "feature"), ("feature",)])
    def test_they_walk_through_all_rows_once(self, world: list[Customer], group_by: tuple[str, ...]) -> None:
        asked = question(*group_by)
        whole = [row.names for row in usage_answer(asked).rows]
        walked: list[tuple[str, ...]] = []
        after: tuple[str, ...] = ()
        while True:
            answer = usage_answer(asked, PageRequest(4, after))
            walked += [row.names for row in answer.rows]
            assert answer.total == usage_answer(asked).total
            if not answer.after:
                break
            after = answer.after
        assert walked == whole


class TestPrices:
    def test_revenue_is_the_calls_own_prices_and_what_credits_were_sold_for(
        self, world: list[Customer]
    ) -> None:
        customer = world[0]
        asked = question(
            "model", measures=measures("revenue", "charges", "margin", "cost"), customer=customer
        )
        answer = usage_answer(asked)
        mine = Event.objects.filter(customer_id=customer.id, type="llm.call", status="ok")
        billed = sum(Fraction(event.usage.get("output", 0)) for event in mine) * Fraction("0.0000123")
        covered = CreditDraw.objects.filter(customer_id=customer.id).exclude(grant_id=None)
        prepaid = sum((Fraction(draw.credits) for draw in covered), Fraction(0)) * Fraction("0.013")
        assert Fraction(answer.total["charges"]) >= billed > 0
        assert Fraction(answer.total["prepaid"]) == prepaid > 0
        revenue = answer.value(measure_named("revenue"))
        margin = answer.value(measure_named("margin"))
        assert revenue is not None and margin == revenue - answer.total["cost"]

    def test_people_who_count_once_put_no_price_on_each_of_their_calls(self, db: None) -> None:
        a_meter("people", "properties.user", aggregation="unique")
        customer = a_customer("seats")
        subscribe(
            customer,
            a_plan([{"key": "p", "meter": "people", "model": "per_unit", "unit_price": "4"}], key="seats"),
        )
        use(
            customer,
            *(
                call(f"s{n}", START + timedelta(hours=n), customer="seats", properties={"user": "u"})
                for n in range(5)
            ),
        )
        answer = usage_answer(question(measures=measures("charges"), customer=customer))
        assert answer.total["charges"] == 0

    def test_amounts_of_several_currencies_are_never_added(self, world: list[Customer]) -> None:
        Customer.objects.filter(key="beta").update(currency="EUR")
        span = days(START.date(), END.date(), zones_of(None))
        answer = usage_answer(question("customer", measures=measures("revenue", "margin"), span=span))
        assert answer.value(measure_named("revenue")) is None
        by_key = {row.names[0]: row for row in answer.rows}
        assert answer.value(measure_named("margin"), by_key["beta"]) is None
        assert answer.value(measure_named("revenue"), by_key["beta"]) is not None


class TestPaths:
    def test_short_names_stand_for_long_ones(self) -> None:
        assert [whole_path(name) for name in ("run", "key", "stage", "status")] == [
            "run.id",
            "properties.key",
            "properties.stage",
            "status",
        ]

    @pytest.mark.parametrize("name", ["", "cost", "usage.output", "tokens'", "a b", "properties.", "x;--"])
    def test_what_is_no_text_is_refused(self, name: str) -> None:
        with pytest.raises(PathError):
            whole_path(name)


class TestPatience:
    def test_a_question_that_takes_too_long_says_so(self) -> None:
        with (
            pytest.raises(TooBroad, match="Narrow the span"),
            bounded_reading(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT set_config('statement_timeout', '20ms', true)")
            cursor.execute("SELECT pg_sleep(5)")

    def test_the_timeout_of_everything_else_stays(self) -> None:
        def timeout() -> str:
            with connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('statement_timeout')")
                return str(cursor.fetchone()[0])

        before = timeout()
        with bounded_reading():
            assert timeout() == "15s"
        assert timeout() == before


def test_fields_note_what_is_wrong() -> None:
    from billing.attribution.question import read_question

    query = Fields({"group_by": "a,b,c,d", "measure": "cost,nope", "filter": "[", "top": 0})
    read_question(query, customer=None, for_operator=False, now=END)
    assert {error.field for error in query.errors} == {"group_by", "measure", "filter", "top"}
