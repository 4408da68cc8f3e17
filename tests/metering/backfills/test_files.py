"""Files as rows: strict, exact, in bounded memory, and never an error that nobody expected."""

import gzip
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from metering.backfills.columns import Assembly, HowToRead, assign, instant
from metering.backfills.csv_rows import csv_rows
from metering.backfills.parquet_rows import parquet_rows
from metering.backfills.reading import look_into, open_rows
from metering.backfills.trouble import FileTrouble, RowTrouble
from metering.formats.native import read_event

NOW = datetime(2026, 1, 20, tzinfo=UTC)


def rows_of(content: bytes, **how: Any) -> list[Any]:
    return list(csv_rows(BytesIO(content), **how)[1])


class TestCsv:
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_the_delimiter_is_the_one_that_the_head_has_most_of(self, delimiter: str) -> None:
        content = delimiter.join(["id", "time", "a b"]) + "\n" + delimiter.join(["1", "2", '"x\ny"']) + "\n"
        assert rows_of(content.encode()) == [{"id": "1", "time": "2", "a b": "x\ny"}]

    def test_a_mark_of_byte_order_and_windows_line_ends_are_passed_over(self) -> None:
        assert rows_of(b"\xef\xbb\xbfid,time\r\n1,2\r\n\r\n") == [{"id": "1", "time": "2"}]

    def test_gzip_is_undone_also_in_several_members(self) -> None:
        packed = gzip.compress(b"id,time\n1,2\n") + gzip.compress(b"3,4\n")
        assert [row["id"] for row in rows_of(packed)] == ["1", "3"]

    def test_a_row_of_another_length_is_one_rows_trouble(self) -> None:
        assert rows_of(b"id,time\n1\n2,3\n") == [
            RowTrouble("", "It has 1 cells, the head has 2."),
            {"id": "2", "time": "3"},
        ]

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "no head"),
            (b"id,id\n", "twice"),
            (b"id,,time\n", "no usable name"),
            (b"id,time\n\xe9,1\n", "not UTF-8"),
            (b"id,time\n\0,1\n", "NUL"),
            (b'id,time\n"a"b,1\n', "Line 2"),
            (b'id,time\n"never closed,1\n', "CSV"),
            (gzip.compress(b"id,time\n1,2\n", mtime=0)[:-9], "cut short"),
            (b"\x1f\x8b nonsense", "broken"),
            ("id,time\n".encode("utf-16"), "UTF-8"),
        ],
    )
    def test_what_is_no_csv_says_why(self, content: bytes, said: str) -> None:
        with pytest.raises(FileTrouble, match=said):
            rows_of(content)

    @settings(max_examples=150)
    @given(content=st.binary(max_size=300) | st.text('id,time;"\n\r\t|x1\0é', max_size=80).map(str.encode))
    def test_whatever_comes_is_read_or_refused(self, content: bytes) -> None:
        try:
            opened, rows = look_into(BytesIO(content), HowToRead(), rows=50, with_customer=True)
        except FileTrouble as trouble:
            assert str(trouble)
            return
        assembly = Assembly(opened.columns, HowToRead(), None)
        for row in rows:
            assert isinstance(
                row if isinstance(row, RowTrouble) else assembly.event_of(row), RowTrouble | dict
            )

    def test_a_bomb_is_refused_before_it_is_unpacked(self, monkeypatch: Any) -> None:
        monkeypatch.setattr("core.limits.BACKFILL_UNPACKED_BYTES_MAX", 2**20)
        bomb = gzip.compress(b"id,time\n" + b"1,2\n" * 2**20)
        with pytest.raises(FileTrouble, match="unpacks to more"):
            rows_of(bomb)

    def test_fifty_thousand_rows_need_no_more_memory_than_a_few(self, tmp_path: Any) -> None:
        path = tmp_path / "large.csv"
        with path.open("w") as file:
            file.write("id,time,model,feature\n")
            file.writelines(f"event-{n},2026-01-05T10:00:00Z,gpt-5,chat-{n % 40}\n" for n in range(50_000))
        with path.open("rb") as opened:
            rows = _counted(opened)
        assert rows == (50_000, True)


def _counted(file: BinaryIO) -> tuple[int, bool]:
    tracemalloc.start()
    count = sum(1 for _ in open_rows(file, HowToRead(defaults={"type": "x"}), with_customer=False).rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return count, peak < 8 * 2**20


def a_parquet(columns: dict[str, Any], **options: Any) -> BytesIO:
    file = BytesIO()
    parquet.write_table(pyarrow.table(columns), file, **options)
    file.seek(0)
    return file


class TestParquet:
    def test_every_value_is_exact(self) -> None:
        zoned = pyarrow.array(
            [datetime(2026, 1, 5, 10, tzinfo=UTC)], pyarrow.timestamp("ns", "Europe/Berlin")
        )
        head, rows = parquet_rows(
            a_parquet(
                {
                    "id": ["e1"],
                    "when": zoned,
                    "local": pyarrow.array([datetime(2026, 1, 5, 10)], pyarrow.timestamp("ms")),
                    "tokens": pyarrow.array([2**60], pyarrow.int64()),
                    "price": pyarrow.array([Decimal("0.000000000000000001")], pyarrow.decimal128(38, 18)),
                    "whole": [3.0],
                    "absent": pyarrow.array([None], pyarrow.float64()),
                    "nested": [{"a": 1, "b": ["y", "x"]}],
                }
            )
        )
        assert head[0] == "id"
        assert list(rows) == [
            {
                "id": "e1",
                "when": "2026-01-05T10:00:00+00:00",
                "local": "2026-01-05T10:00:00",
                "tokens": str(2**60),
                "price": "0.000000000000000001",
                "whole": "3",
                "absent": "",
                "nested": '{"a": 1, "b": ["y", "x"]}',
            }
        ]

    @pytest.mark.parametrize("value", [0.1, 2.0**60, float("inf")])
    def test_a_float_that_is_no_exact_number_is_a_rows_trouble(self, value: float) -> None:
        (row,) = parquet_rows(a_parquet({"price": [value]}))[1]
        assert isinstance(row, RowTrouble) and row.column == "price" and "float" in row.reason

    def test_a_day_is_no_instant(self) -> None:
        (row,) = parquet_rows(a_parquet({"time": [date(2026, 1, 5)]}))[1]
        assert isinstance(row, RowTrouble)

    @pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1"])
    def test_what_only_begins_like_one_is_refused(self, content: bytes) -> None:
        with pytest.raises(FileTrouble):
            list(parquet_rows(BytesIO(content))[1])

    @pytest.mark.parametrize("nested", [False, True])
    def test_a_text_that_many_rows_share_is_measured_before_it_is_written_out(self, nested: bool) -> None:
        shared: Any = pyarrow.DictionaryArray.from_arrays(
            pyarrow.array([0] * 50_000, pyarrow.int32()), pyarrow.array(["x" * 2**20])
        )
        if nested:
            shared = pyarrow.ListArray.from_arrays(pyarrow.array(range(50_001), pyarrow.int32()), shared)
        bomb = a_parquet({"note": shared}, store_schema=False)
        assert len(bomb.getvalue()) < 2**20
        before, pool = pyarrow.default_memory_pool(), pyarrow.proxy_memory_pool(pyarrow.default_memory_pool())
        pyarrow.set_memory_pool(pool)
        try:
            with pytest.raises(FileTrouble, match="a text of 1,048,576 bytes"):
                list(parquet_rows(bomb)[1])
        finally:
            pyarrow.set_memory_pool(before)
        assert pool.max_memory() < 64 * 2**20

    def test_a_list_of_millions_is_refused_before_it_is_unpacked(self) -> None:
        zeros = pyarrow.array([[0] * 1_000_000], pyarrow.list_(pyarrow.int32()))
        with pytest.raises(FileTrouble, match="lists of more than"):
            parquet_rows(a_parquet({"response": zeros}))
        hidden = pyarrow.array([[0] * 500, *([None] * 500)], pyarrow.list_(pyarrow.int32()))
        with pytest.raises(FileTrouble, match="a list of 500 items"):
            list(parquet_rows(a_parquet({"response": hidden}))[1])

    def test_a_row_is_no_longer_than_one_of_csv(self) -> None:
        wide = {f"properties.{n}": ["x" * 90_000] for n in range(3)}
        (row,) = parquet_rows(a_parquet(wide))[1]
        assert isinstance(row, RowTrouble) and "longer" in row.reason

    def test_raw_bytes_are_refused(self) -> None:
        with pytest.raises(FileTrouble, match="raw bytes"):
            parquet_rows(a_parquet({"id": [b"x"]}))


class TestColumns:
    def test_known_names_are_told_and_a_mapping_wins(self) -> None:
        how = HowToRead(mapping={"tokens in": "usage.input", "code": "properties.code", "junk": "-"})
        head = [
            "Transaction ID",
            "timestamp",
            "event_type",
            "customer_id",
            "tokens in",
            "code",
            "junk",
            "else",
        ]
        assert [name for _, name in assign(head, how, with_customer=True)] == [
            *("id", "time", "type", "customer", "usage.input", "properties.code"),
            *(None, None),
        ]

    def test_tokens_of_other_systems_are_never_guessed(self) -> None:
        head = ["id", "time", "type", "prompt_tokens", "input_tokens", "total_tokens"]
        assert [name for _, name in assign(head, HowToRead(), with_customer=False)][3:] == [None] * 3

    @pytest.mark.parametrize(
        ("head", "said"),
        [
            (["id", "time"], "event's type"),
            (["id", "event_id", "time", "type"], "are both id"),
            (["time", "type"], "event's id"),
        ],
    )
    def test_what_is_missing_or_twice_is_said(self, head: list[str], said: str) -> None:
        with pytest.raises(FileTrouble, match=said):
            assign(head, HowToRead(), with_customer=False)

    def test_a_row_becomes_the_event_that_its_client_would_have_sent(self) -> None:
        head = [
            "id",
            "time",
            "type",
            "latency_ms",
            "run_id",
            "step",
            "usage",
            "cache_read",
            "properties",
            "properties.team",
        ]
        how = HowToRead(timezone="Europe/Berlin", defaults={"provider": "openai"})
        assembly = Assembly(assign(head, how, with_customer=False), how, "acme")
        values = [
            "e1",
            "2026-01-05 10:00:00",
            "llm.call",
            "81",
            "r1",
            "2",
            '{"input": 5}',
            "7",
            '{"a": "1"}',
            "t",
        ]
        event = assembly.event_of(dict(zip(head, values, strict=True)))
        sent = {
            "id": "e1",
            "customer": "acme",
            "time": "2026-01-05T09:00:00Z",
            "type": "llm.call",
            "provider": "openai",
            "latency_ms": 81,
            "run": {"id": "r1", "step": 2},
            "usage": {"input": 5, "cache_read": "7"},
            "properties": {"a": "1", "team": "t"},
        }
        assert read_event(event, now=NOW) == read_event(sent, now=NOW)

    @pytest.mark.parametrize(
        ("text", "zone", "said"),
        [
            ("2026-01-05 10:00:00", None, "no offset"),
            ("2026-03-29 02:30:00", "Europe/Berlin", "never"),
            ("2026-10-25 02:30:00", "Europe/Berlin", "twice"),
            ("05.01.2026", "UTC", "RFC 3339"),
        ],
    )
    def test_a_time_that_names_no_instant_is_refused(self, text: str, zone: str | None, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            instant(text, ZoneInfo(zone) if zone else None)
