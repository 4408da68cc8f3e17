from datetime import date
from decimal import Decimal

from console.queries.overview import Earned, EarnedDay
from console.views.overview import money_chart


def days(*pairs: tuple[str, str]) -> list[EarnedDay]:
    """Days with a revenue and a cost each."""
    return [
        EarnedDay(date(2026, 11, n), Earned(Decimal(revenue), Decimal(cost)))
        for n, (revenue, cost) in enumerate(pairs, start=1)
    ]


def test_a_bar_is_as_high_as_the_days_revenue() -> None:
    chart = money_chart(days(("10", "4"), ("6", "1")), "USD")
    assert chart.title == "Revenue by day"
    assert [(series.name, series.total) for series in chart.series] == [
        ("Provider cost", "$5.00"),
        ("Kept", "$11.00"),
    ]
    assert [row.total for row in chart.rows] == ["$10.00", "$6.00"]


def test_cost_beyond_the_revenue_is_no_part_of_it() -> None:
    chart = money_chart(days(("10", "4"), ("3", "8")), "USD")
    assert "did not cover" in chart.title
    assert [(series.name, series.total) for series in chart.series] == [
        ("Cost covered", "$7.00"),
        ("Kept", "$6.00"),
        ("Cost not covered", "$5.00"),
    ]


def test_where_costs_are_in_another_currency_there_is_revenue_alone() -> None:
    chart = money_chart(days(("10", "400")), "EUR")
    assert [(series.name, series.total) for series in chart.series] == [("Revenue", "€10.00")]
