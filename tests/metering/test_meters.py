from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from core.problems import Invalid
from metering.meters import compile_meter, read_meter

OUTPUT = {
    "key": "output_tokens",
    "event_type": "llm.call",
    "aggregation": "sum",
    "value": "usage.output",
    "filter": {"model": ["claude-opus-4-5"]},
    "group_by": ["model"],
}


@dataclass
class Row:
    type: str = "llm.call"
    source: str = "api"
    provider: str = "anthropic"
    model: str = "claude-opus-4-5"
    context: str = "standard"
    status: str = "ok"
    run_id: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    quantity: Decimal = Decimal(1)
    latency_ms: int | None = None
    cost: Decimal = Decimal(0)


USED = {
    "input": "1200",
    "cache_read": "800",
    "cache_write_1h": "5",
    "output": "300",
    "reasoning": "40",
    "web_search": "2",
}


def value(row: Row, **changes: Any) -> Decimal | None:
    return compile_meter(read_meter({**OUTPUT, "filter": {}, **changes})).value(row)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("usage.output", 300),
        ("usage.tokens", 2345),
        ("usage.input_total", 2005),
        ("usage.output_total", 340),
        ("usage.cache_write", 5),
        ("usage.web_search", 2),
        ("quantity", 7),
        ("latency_ms", 812),
        ("cost", Decimal("0.0123")),
        ("properties.pages", Decimal("2.5")),
    ],
)
def test_a_sum_adds_the_number_at_its_path(path: str, expected: Decimal) -> None:
    row = Row(
        usage=USED, quantity=Decimal(7), latency_ms=812, cost=Decimal("0.0123"), properties={"pages": "2.5"}
    )
    assert value(row, value=path) == expected


@pytest.mark.parametrize("pages", [None, "two", "-1", "1e3", [1], {"n": 1}, True])
def test_an_event_without_a_number_there_is_not_counted(pages: Any) -> None:
    meter = compile_meter(read_meter({**OUTPUT, "filter": {}, "value": "properties.pages"}))
    row = Row(properties={"pages": pages})
    assert meter.value(row) is None
    assert not meter.matches(row)


def test_a_count_counts_events_whatever_their_quantity() -> None:
    assert value(Row(quantity=Decimal(9)), aggregation="count", value=None) == 1


def test_a_unique_meter_counts_values_and_needs_one() -> None:
    meter = compile_meter(
        read_meter({**OUTPUT, "filter": {}, "aggregation": "unique", "value": "properties.user"})
    )
    assert (
        meter.matches(Row(properties={"user": "u1"})) and meter.text(Row(properties={"user": "u1"})) == "u1"
    )
    assert not meter.matches(Row())


def test_only_events_of_its_type_that_pass_each_filter_match() -> None:
    meter = compile_meter(read_meter({**OUTPUT, "filter": {"model": ["a", "b"], "properties.paid": [True]}}))
    good = Row(model="b", usage=USED, properties={"paid": True})
    assert meter.matches(good)
    assert not meter.matches(Row(model="c", usage=USED, properties={"paid": True}))
    assert not meter.matches(Row(model="b", usage=USED))
    assert not meter.matches(Row(type="image", model="b", usage=USED, properties={"paid": True}))


def test_dimensions_are_paths_or_names_of_properties() -> None:
    meter = compile_meter(read_meter(OUTPUT))
    row = Row(usage=USED, properties={"task": "fix-bug", "properties": "odd"})
    assert meter.dimensions(row, ["model", "task", "properties.task", "run.id", "nothing"]) == {
        "model": "claude-opus-4-5",
        "task": "fix-bug",
        "properties.task": "fix-bug",
    }
    assert meter.parts(row, ["task", "model"]) == [
        ((("model", "claude-opus-4-5"), ("task", "fix-bug")), Decimal(300))
    ]


def test_all_tokens_can_be_told_apart_by_kind() -> None:
    meter = compile_meter(
        read_meter({**OUTPUT, "filter": {}, "value": "usage.tokens", "group_by": ["token_kind"]})
    )
    parts = meter.parts(Row(usage=USED), ["token_kind"])
    assert {dict(dimensions)["token_kind"]: number for dimensions, number in parts} == {
        name: Decimal(count) for name, count in USED.items() if name != "web_search"
    }


@pytest.mark.parametrize(
    ("change", "places"),
    [
        ({"key": "a b"}, {"key"}),
        ({"key": None, "event_type": ""}, {"key", "event_type"}),
        ({"aggregation": "average"}, {"aggregation"}),
        ({"value": None}, {"value"}),
        ({"value": "usage.completion_tokens"}, {"value"}),
        ({"value": "model"}, {"value"}),
        ({"aggregation": "count"}, {"value"}),
        ({"aggregation": "unique", "value": "usage.output"}, {"value"}),
        ({"filter": []}, {"filter"}),
        ({"filter": {"nope": ["a"]}}, {"filter.nope"}),
        ({"filter": {"model": []}}, {"filter.model"}),
        ({"filter": {"model": [{"a": 1}]}}, {"filter.model"}),
        ({"group_by": ["model", "model"]}, {"group_by[1]"}),
        ({"group_by": [7]}, {"group_by[0]"}),
        ({"group_by": ["a"] * 6}, {"group_by"}),
        ({"filters": {}}, {"filters"}),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], places: set[str]) -> None:
    with pytest.raises(Invalid) as caught:
        read_meter(OUTPUT | change)
    assert {error.field for error in caught.value.errors} == places


class TestTheApi:
    def test_a_meter_is_created_once_and_never_changed(self, operator_api: Any) -> None:
        created = operator_api.post("/v1/meters", OUTPUT)
        assert created.status_code == 201
        assert {name: created.json()[name] for name in OUTPUT} == OUTPUT
        assert operator_api.post("/v1/meters", OUTPUT | {"value": "usage.input"}).status_code == 409
        assert operator_api.get("/v1/meters/output_tokens").json() == created.json()
        assert [row["key"] for row in operator_api.get("/v1/meters", q="OUTPUT").json()["results"]] == [
            "output_tokens"
        ]

    def test_an_absent_meter_is_a_404(self, operator_api: Any) -> None:
        for key in ("none", "%00", "a%20b"):
            assert operator_api.get(f"/v1/meters/{key}").status_code == 404

    def test_only_an_operator_may_write(self, operator_api: Any, api_with_key: Callable[..., Any]) -> None:
        operator_api.post("/v1/customers", {"key": "acme", "name": "Acme"})
        from customers.models import Customer

        api = api_with_key(["read", "write"], customer=Customer.objects.get())
        assert api.post("/v1/meters", OUTPUT).status_code == 403
        assert api.get("/v1/meters").status_code == 200
