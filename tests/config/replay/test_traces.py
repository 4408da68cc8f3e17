"""Traces become events: the same row always the same id, what was sent before is read from the cache."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.replay.traces import Call, Sender, TraceError, read_trace

START = datetime(2026, 11, 1, tzinfo=UTC)


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_azure_rows_keep_their_distances(tmp_path: Path) -> None:
    text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:05.4799600,30,0\n"
    calls = read_trace(written(tmp_path, "code.csv", text))
    assert calls == [
        Call(1, timedelta(0), 4808, 0, 10),
        Call(2, timedelta(seconds=1.5), 30, 0, 0),
    ]


def test_a_block_seen_before_is_read_from_the_cache_up_to_the_first_new_one(tmp_path: Path) -> None:
    text = (
        '{"timestamp": 0, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3]}\n'
        '{"timestamp": 40, "input_length": 1300, "output_length": 6, "hash_ids": [1, 2, 9]}\n'
        '{"timestamp": 90, "input_length": 700, "output_length": 7, "hash_ids": [8, 2]}\n'
        '{"timestamp": 95, "input_length": 600, "output_length": 8, "hash_ids": [1, 2]}\n'
    )
    calls = read_trace(written(tmp_path, "talk.jsonl", text))
    assert [(call.input, call.cache_read, call.output) for call in calls] == [
        (1100, 0, 5),
        (276, 1024, 6),
        (700, 0, 7),
        (0, 600, 8),  # the last block is shorter than a whole one
    ]
    assert calls[1].after == timedelta(milliseconds=40)


def test_an_event_has_the_rows_id_and_no_empty_buckets() -> None:
    sender = Sender("acme", "openai", "gpt-5", "code.csv", START)
    event = sender.event(Call(7, timedelta(seconds=2), 30, 0, 4))
    assert event["id"] == "code.csv:7"
    assert event["time"] == "2026-11-01T00:00:02Z"
    assert event["usage"] == {"input": 30, "output": 4}
    assert (event["customer"], event["provider"], event["model"]) == ("acme", "openai", "gpt-5")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "when,in,out\n1,2,3\n", "must begin with the columns"),
        ("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n", "holds no calls"),
        ("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\nsoon,1,2\n", "row 1: write a time"),
        ("a.jsonl", '{"timestamp": 0}\n', "line 1: write a JSON object"),
        ("a.jsonl", "nonsense\n", "line 1: write a JSON object"),
    ],
)
def test_what_is_no_trace_is_refused_by_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(TraceError, match=said):
        read_trace(written(tmp_path, name, text))
