from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from core.pages.charts import BASE, TOP, line, sparkline, stacked_bars
from core.pages.figures import compact
from core.pages.hues import OTHER

amounts = st.decimals(min_value=0, max_value=Decimal(10**12), places=6)


def columns(*values: dict[str, str]) -> list[tuple[str, str, dict[str, Decimal]]]:
    return [(str(n), f"day {n}", {k: Decimal(v) for k, v in day.items()}) for n, day in enumerate(values)]


class TestBars:
    @given(st.lists(st.dictionaries(st.sampled_from("abcdefghijkl"), amounts), min_size=1, max_size=8))
    def test_every_block_lies_within_the_plot(self, days: list[dict[str, Decimal]]) -> None:
        chart = stacked_bars(
            title="t", columns=[(str(n), str(n), day) for n, day in enumerate(days)], label=compact
        )
        for column in chart.columns:
            height = sum(Decimal(block.height) for block in column.blocks)
            assert height <= BASE - TOP + 1
            assert all(Decimal(block.y) >= TOP - 1 for block in column.blocks)

    def test_the_ninth_name_is_other(self) -> None:
        chart = stacked_bars(
            title="t", columns=columns({c: str(9 - n) for n, c in enumerate("abcdefghij")}), label=compact
        )
        assert [series.name for series in chart.series] == [*"abcdefgh", OTHER]
        assert chart.series[-1].total == "1"

    def test_the_table_holds_the_same_numbers(self) -> None:
        chart = stacked_bars(title="t", columns=columns({"a": "1", "b": "2"}, {"a": "3"}), label=compact)
        assert [(row.label, row.values, row.total) for row in chart.rows] == [
            ("day 0", ("1", "2"), "3"),
            ("day 1", ("3", "0"), "3"),
        ]
        assert chart.total == "6"

    def test_the_grid_ends_on_round_numbers(self) -> None:
        chart = stacked_bars(title="t", columns=columns({"a": "37"}), label=compact)
        assert [tick.label for tick in chart.y_ticks] == ["0", "10", "20", "30", "40"]

    def test_nothing_is_drawn_of_nothing(self) -> None:
        chart = stacked_bars(title="t", columns=columns({}, {}), label=compact)
        assert chart.series == () and chart.description == "Nothing was used."


class TestLine:
    def points(self, *values: str | None) -> list[tuple[str, str, Decimal | None]]:
        return [(str(n), f"day {n}", None if v is None else Decimal(v)) for n, v in enumerate(values)]

    def test_what_lies_under_the_floor_is_outlined(self) -> None:
        chart = line(title="t", points=self.points("0.5", "0.2", "0.5"), label=compact, floor=Decimal("0.4"))
        assert len(chart.under) == 1
        assert [dot.under for dot in chart.dots] == [False, True, False]

    def test_above_the_floor_nothing_is_outlined(self) -> None:
        chart = line(title="t", points=self.points("0.5", "0.6"), label=compact, floor=Decimal("0.4"))
        assert chart.under == () and "0 of 2 lie under it" in chart.description

    def test_a_gap_in_knowledge_is_a_gap_in_the_line(self) -> None:
        chart = line(title="t", points=self.points("1", None, "2"), label=compact)
        assert len(chart.paths) == 2

    def test_a_margin_below_zero_stays_in_the_plot(self) -> None:
        chart = line(title="t", points=self.points("-0.5", "0.5"), label=compact, lowest=Decimal("-0.5"))
        assert all(TOP - 1 <= Decimal(dot.y) <= BASE + 1 for dot in chart.dots)


@given(st.lists(amounts, min_size=2, max_size=40))
def test_a_sparkline_stays_in_its_box(values: list[Decimal]) -> None:
    for point in sparkline(values).split():
        x, y = (Decimal(part) for part in point.split(","))
        assert 0 <= x <= 100 and 0 <= y <= 20
