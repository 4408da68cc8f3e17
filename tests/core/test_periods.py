from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.periods import (
    Period,
    Share,
    change_edge,
    day_share,
    local_date,
    local_days,
    local_midnight,
    period_containing,
    period_number,
    second_share,
    termination_edge,
)

ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Kolkata",  # +05:30
    "Asia/Kathmandu",  # +05:45
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Chatham",  # +12:45, with summer time
    "America/St_Johns",  # -03:30; until 2011 its clocks went back from 00:01 to 23:01
    "America/Sao_Paulo",  # until 2019 its clocks skipped midnight
    "Africa/Cairo",  # its clocks skip midnight
    "America/Havana",  # its clocks show midnight twice
    "Asia/Beirut",
    "Pacific/Apia",  # it skipped 30 December 2011
    "Africa/Casablanca",
    "America/Nuuk",
]
DATES = st.dates(date(1995, 1, 1), date(2040, 12, 31))
INSTANTS = st.datetimes(datetime(1995, 1, 2), datetime(2040, 12, 30), timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


class TestPeriod:
    def test_holds_its_start_and_not_its_end(self) -> None:
        march = period_number(date(2026, 3, 1), 0, "month", "UTC")
        assert march.start in march
        assert march.end - timedelta(microseconds=1) in march
        assert march.end not in march

    def test_refuses_edges_outside_utc_and_edges_in_the_wrong_order(self) -> None:
        start, end = at("2026-03-01T00:00:00+00:00"), at("2026-04-01T00:00:00+00:00")
        with pytest.raises(ValueError, match="before it starts"):
            Period(end, start)
        with pytest.raises(ValueError, match="UTC"):
            Period(start.replace(tzinfo=None), end.replace(tzinfo=None))
        with pytest.raises(ValueError, match="UTC"):
            Period(start.astimezone(timezone(timedelta(hours=2))), end)


class TestMonthsFromAnAnchor:
    @pytest.mark.parametrize("year", range(2023, 2033))
    @pytest.mark.parametrize("day", [28, 29, 30, 31])
    def test_are_clamped_to_the_month_and_come_back_to_the_day(self, year: int, day: int) -> None:
        leap = year % 4 == 0
        lengths = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        starts = [period_number(date(year, 1, day), n, "month", "UTC").start.date() for n in range(12)]
        assert starts == [date(year, month + 1, min(day, lengths[month])) for month in range(12)]

    @pytest.mark.parametrize(
        ("interval", "count", "starts"),
        [
            ("day", 1, ["2024-02-28", "2024-02-29", "2024-03-01"]),
            ("week", 1, ["2024-02-28", "2024-03-06", "2024-03-13"]),
            ("week", 2, ["2024-02-28", "2024-03-13", "2024-03-27"]),
            ("month", 6, ["2024-02-28", "2024-08-28", "2025-02-28"]),
            ("quarter", 1, ["2024-02-28", "2024-05-28", "2024-08-28"]),
            ("year", 1, ["2024-02-28", "2025-02-28", "2026-02-28"]),
        ],
    )
    def test_have_other_lengths_too(self, interval: str, count: int, starts: list[str]) -> None:
        found = [period_number(date(2024, 2, 28), n, interval, "UTC", count).start for n in range(3)]
        assert [start.date().isoformat() for start in found] == starts

    def test_come_back_to_a_leap_day(self) -> None:
        starts = [period_number(date(2024, 2, 29), n, "year", "UTC").start.date() for n in range(5)]
        assert [start.day for start in starts] == [29, 28, 28, 28, 29]

    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("year", range(2023, 2033))
    def test_of_ten_years_leave_no_gap_in_any_zone(self, year: int, zone: str) -> None:
        periods = [period_number(date(2023, 1, 31), n + 12 * (year - 2023), "month", zone) for n in range(13)]
        for former, latter in zip(periods, periods[1:], strict=False):
            assert former.end == latter.start
            assert former.start.astimezone(ZoneInfo(zone)).hour in (0, 1)

    @given(
        DATES, st.sampled_from(ZONES), st.sampled_from(["day", "week", "month", "quarter", "year"]), INSTANTS
    )
    def test_are_found_from_any_instant(
        self, anchor: date, zone: str, interval: str, instant: datetime
    ) -> None:
        if instant < local_midnight(anchor, zone):
            with pytest.raises(ValueError, match="before the first period"):
                period_containing(anchor, interval, zone, instant)
            return
        n, period = period_containing(anchor, interval, zone, instant)
        assert instant in period
        assert period == period_number(anchor, n, interval, zone)

    @pytest.mark.parametrize("n", range(30))
    def test_are_found_from_their_own_edges(self, n: int) -> None:
        period = period_number(date(2026, 1, 31), n, "month", "America/New_York")
        last = period.end - timedelta(microseconds=1)
        assert period_containing(date(2026, 1, 31), "month", "America/New_York", period.start) == (n, period)
        assert period_containing(date(2026, 1, 31), "month", "America/New_York", last) == (n, period)
        assert period_containing(date(2026, 1, 31), "month", "America/New_York", period.end)[0] == n + 1

    def test_of_several_intervals_are_found_too(self) -> None:
        n, period = period_containing(date(2026, 1, 31), "month", "UTC", at("2026-07-30T12:00:00+00:00"), 3)
        assert (n, period.start.date(), period.end.date()) == (1, date(2026, 4, 30), date(2026, 7, 31))
        n, period = period_containing(date(2026, 1, 1), "week", "UTC", at("2026-01-15T00:00:00+00:00"), 2)
        assert (n, period.start.date(), period.end.date()) == (1, date(2026, 1, 15), date(2026, 1, 29))

    def test_refuse_what_cannot_be(self) -> None:
        with pytest.raises(ValueError, match="not an interval"):
            period_number(date(2026, 1, 1), 0, "fortnight", "UTC")
        with pytest.raises(ValueError, match="no period -1"):
            period_number(date(2026, 1, 1), -1, "month", "UTC")
        with pytest.raises(ValueError, match="one interval or more"):
            period_number(date(2026, 1, 1), 0, "month", "UTC", 0)


class TestLocalTime:
    @pytest.mark.parametrize(
        ("zone", "month", "hours"),
        [
            ("America/New_York", 3, 743),
            ("America/New_York", 11, 721),
            ("Europe/Berlin", 3, 743),
            ("Europe/Berlin", 10, 745),
            ("Australia/Lord_Howe", 4, 720.5),
            ("Australia/Lord_Howe", 10, 743.5),
            ("Pacific/Chatham", 4, 721),
            ("Asia/Kolkata", 3, 744),
            ("Asia/Kathmandu", 3, 744),
            ("UTC", 3, 744),
        ],
    )
    def test_makes_months_of_their_own_length(self, zone: str, month: int, hours: float) -> None:
        period = period_number(date(2026, month, 1), 0, "month", zone)
        assert (period.end - period.start) / timedelta(hours=1) == hours

    @pytest.mark.parametrize(
        ("zone", "day", "midnight"),
        [
            ("Asia/Kolkata", "2026-03-01", "2026-02-28T18:30:00+00:00"),
            ("Asia/Kathmandu", "2026-03-01", "2026-02-28T18:15:00+00:00"),
            ("Pacific/Chatham", "2026-01-01", "2025-12-31T10:15:00+00:00"),
            # The clocks skip midnight: the day starts at one o'clock.
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00+00:00"),
            ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00+00:00"),
            ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00+00:00"),
            # Midnight comes twice: the day starts at the first.
            ("America/Havana", "2026-11-01", "2026-11-01T04:00:00+00:00"),
            ("America/St_Johns", "2010-11-07", "2010-11-07T02:30:00+00:00"),
            # The whole day is missing: it is empty, and starts where the next one does.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00+00:00"),
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00+00:00"),
        ],
    )
    def test_starts_a_day_where_its_clocks_do(self, zone: str, day: str, midnight: str) -> None:
        assert local_midnight(date.fromisoformat(day), zone) == at(midnight)
        assert local_midnight(date.fromisoformat(day), ZoneInfo(zone)) == at(midnight)

    @given(DATES, st.sampled_from(ZONES))
    def test_starts_a_day_at_the_first_instant_of_its_date(self, day: date, zone: str) -> None:
        start = local_midnight(day, zone)
        assert start.astimezone(ZoneInfo(zone)).date() >= day
        assert (start - timedelta(microseconds=1)).astimezone(ZoneInfo(zone)).date() < day
        assert start <= local_midnight(day + timedelta(days=1), zone)

    @given(INSTANTS, st.sampled_from(ZONES))
    def test_gives_each_instant_one_day(self, instant: datetime, zone: str) -> None:
        day = local_date(instant, zone)
        assert local_midnight(day, zone) <= instant < local_midnight(day + timedelta(days=1), zone)

    def test_counts_a_date_shown_again_to_the_day_that_began(self) -> None:
        # 23:30 on 6 November for the second time, after 7 November had begun for a minute.
        shown_again = at("2010-11-07T03:00:00+00:00")
        assert shown_again.astimezone(ZoneInfo("America/St_Johns")).date() == date(2010, 11, 6)
        assert local_date(shown_again, "America/St_Johns") == date(2010, 11, 7)

    def test_refuses_a_zone_that_is_not_there(self) -> None:
        with pytest.raises(KeyError):
            local_midnight(date(2026, 1, 1), "Mars/Olympus_Mons")


class TestShares:
    march = period_number(date(2026, 3, 1), 0, "month", "America/New_York")

    def test_count_the_first_day(self) -> None:
        used = Period(at("2026-03-10T23:59:00-04:00"), self.march.end)
        assert day_share(used, self.march, "America/New_York") == Share(22, 31)

    def test_give_the_day_of_a_change_to_the_new_version(self) -> None:
        edge = change_edge(at("2026-03-10T15:00:00-04:00"), "America/New_York")
        old, new = Period(self.march.start, edge), Period(edge, self.march.end)
        assert day_share(old, self.march, "America/New_York") == Share(9, 31)
        assert day_share(new, self.march, "America/New_York") == Share(22, 31)

    def test_give_the_day_of_termination_to_the_old_version(self) -> None:
        edge = termination_edge(at("2026-03-10T00:00:00-04:00"), "America/New_York")
        assert day_share(Period(self.march.start, edge), self.march, "America/New_York") == Share(10, 31)

    @given(st.lists(st.integers(0, 31 * 86400), min_size=3, max_size=3), st.sampled_from(ZONES))
    def test_of_neighbors_are_the_share_of_both(self, offsets: list[int], zone: str) -> None:
        whole = period_number(date(2026, 3, 1), 0, "month", zone)
        a, b, c = sorted(min(whole.start + timedelta(seconds=offset), whole.end) for offset in offsets)
        days = [day_share(Period(*edges), whole, zone) for edges in ((a, b), (b, c), (a, c))]
        seconds = [second_share(Period(*edges), whole) for edges in ((a, b), (b, c), (a, c))]
        assert days[0] + days[1] == days[2]
        assert seconds[0] + seconds[1] == seconds[2]

    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("year", range(2023, 2033))
    def test_count_the_days_of_the_calendar_in_every_zone(self, year: int, zone: str) -> None:
        start, end = local_midnight(date(year, 1, 1), zone), local_midnight(date(year + 1, 1, 1), zone)
        assert local_days(start, end, zone) == (366 if year % 4 == 0 else 365)

    def test_of_seconds_know_that_march_is_an_hour_short(self) -> None:
        half = Period(self.march.start, self.march.start + timedelta(hours=1))
        share = second_share(half, self.march)
        assert (share.used * 743, share.whole) == (share.whole, 743 * 3600 * 10**6)

    def test_stay_within_the_whole(self) -> None:
        with pytest.raises(ValueError, match="outside the whole"):
            second_share(Period(self.march.start - timedelta(seconds=1), self.march.end), self.march)
        with pytest.raises(ValueError, match="outside the whole"):
            day_share(
                Period(self.march.start, self.march.end + timedelta(days=1)), self.march, "America/New_York"
            )

    @pytest.mark.parametrize(("used", "whole"), [(-1, 30), (31, 30), (0, 0)])
    def test_are_between_nothing_and_the_whole(self, used: int, whole: int) -> None:
        with pytest.raises(ValueError, match="between nothing and the whole"):
            Share(used, whole)

    def test_of_different_wholes_do_not_add(self) -> None:
        with pytest.raises(ValueError, match="different wholes"):
            Share(1, 30) + Share(1, 31)
