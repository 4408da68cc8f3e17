"""Which days a list shows, by what its address says."""

from datetime import date

import pytest
from django.test import RequestFactory

from core.pages.tables import days_between

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("", date(2026, 11, 12), TODAY),
        ("from=2026-11-20", date(2026, 11, 20), TODAY),
        ("to=2026-11-05", date(2026, 10, 27), date(2026, 11, 5)),
        ("from=2026-11-01&to=2026-11-01", date(2026, 11, 1), date(2026, 11, 1)),
        ("from=2026-12-24", TODAY, TODAY),
        ("from=2026-01-01&to=2026-11-21", date(2026, 1, 1), date(2026, 1, 30)),
        ("from=x&to=9999-12-31", date(2026, 11, 12), TODAY),
    ],
)
def test_days_are_counted_in_and_never_more_than_fit(query: str, first: date, last: date) -> None:
    request = RequestFactory().get(f"/?{query}")
    assert days_between(request, TODAY, usual=10, most=30) == (first, last)
