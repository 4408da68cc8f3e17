"""The spool of our own Python client: records, files, locks."""

import fcntl
import json
import os
from errno import EACCES, EIO, ENOLCK, ENOSPC
from pathlib import Path
from typing import Any

import pytest
from burnline import dead_letters
from burnline.dead_letters import DeadLetters
from burnline.notices import Notice, Notices
from burnline.segments import Segment
from burnline.settings import Settings
from burnline.spool import Spool
from burnline.tallies import Tally
from hypothesis import given
from hypothesis import strategies as st

LINES = [b'{"n":%d}' % n for n in range(10)]
ALL = 1_000_000


def make_spool(folder: Path | None, **changed: Any) -> Spool:
    plain: dict[str, Any] = {
        "url": "http://h",
        "key": "k",
        "spool": folder,
        "source": "api",
        "batch_events": 3,
        "batch_bytes": 10_000,
        "batch_seconds": 0,
        "fsync": "interval",
        "fsync_seconds": 1,
        "spool_bytes": ALL,
        "segment_bytes": 100,
        "memory_events": 4,
        "timeout": 1,
        "retry_seconds": (1, 1),
        "halted_seconds": 1,
        "adopt_seconds": 1,
        "exit_seconds": 1,
        "on_rejected": None,
        "raise_errors": False,
        "ssl_context": None,
    }
    return Spool(Settings(**(plain | changed)), Notices(None), Tally())


def drain(spool: Spool) -> list[bytes]:
    """Every event, as a server that takes them all would get them."""
    lines: list[bytes] = []
    while (batch := spool.next_batch()) is not None:
        lines += [record.line for record in batch.records]
        spool.settle(batch)
    return lines


def left_behind(tmp_path: Path, lines: list[bytes]) -> Path:
    """The file of a process that wrote these events and is gone."""
    segment = Segment.create(tmp_path)
    for line in lines:
        segment.append(line)
    segment.close()
    return segment.path


def adopted(path: Path) -> Segment:
    segment = Segment.adopt(path)
    assert segment is not None
    return segment


def lines_of(segment: Segment) -> list[bytes]:
    return [record.line for record in segment.read(ALL, ALL, segment.size)]


def test_events_come_out_in_order_in_batches_and_their_files_go(tmp_path: Path) -> None:
    spool = make_spool(tmp_path)
    for line in LINES:
        assert spool.append(line)
    assert len(list(tmp_path.glob("*.events"))) > 1
    assert drain(spool) == LINES
    spool.release()
    assert list(tmp_path.iterdir()) == []


def test_what_was_answered_is_not_sent_by_the_next_process(tmp_path: Path) -> None:
    first = make_spool(tmp_path, segment_bytes=ALL)
    for line in LINES:
        first.append(line)
    batch = first.next_batch()
    assert batch is not None
    first.settle(batch)
    first.abandon()
    second = make_spool(tmp_path)
    second.adopt()
    assert drain(second) == LINES[3:]
    assert list(tmp_path.iterdir()) == []


def test_a_lost_note_of_what_was_sent_means_sending_again_and_never_skipping(tmp_path: Path) -> None:
    path = left_behind(tmp_path, LINES)
    # Where no record ends, none was answered: a digit that turned must not skip what was promised.
    notes = [b"%020d" % n for n in (1, len(path.read_bytes()) - 1, len(path.read_bytes()) + 1, 10**19)]
    for note in (b"", b"garbage", b"-5", *notes):
        path.with_suffix(".sent").write_bytes(note)
        segment = adopted(path)
        assert lines_of(segment) == LINES
        segment.close()


@given(cut=st.integers(0, 400), junk=st.binary(max_size=30))
def test_a_file_cut_anywhere_gives_every_whole_record(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    path = left_behind(tmp_path_factory.mktemp("cut"), LINES)
    written = path.read_bytes()
    path.write_bytes(written[:cut] + junk.replace(b"\n", b""))
    whole = written[:cut].count(b"\n")
    segment = adopted(path)
    assert lines_of(segment)[:whole] == LINES[:whole]
    assert len(lines_of(segment)) <= whole + 1
    segment.close()


@given(place=st.integers(0, 170), byte=st.integers(0, 255))
def test_a_damaged_byte_costs_at_most_the_records_that_it_touches(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    path = left_behind(tmp_path_factory.mktemp("damage"), LINES)
    written = bytearray(path.read_bytes())
    written[place % len(written)] = byte
    path.write_bytes(written)
    spool = make_spool(path.parent)
    spool.adopt()
    read = drain(spool)
    assert set(read) <= set(LINES) and len(read) >= len(LINES) - 2
    assert not list(path.parent.glob("*.events"))


def test_a_file_that_cannot_be_opened_holds_up_no_other(tmp_path: Path, monkeypatch: Any) -> None:
    of_another_user = left_behind(tmp_path, LINES[:1])
    left_behind(tmp_path, LINES[1:])
    (tmp_path / "0.events").mkdir()
    opened = os.open

    def refuse(path: Any, *how: Any) -> int:
        if path == of_another_user:
            raise PermissionError(EACCES, "Permission denied", str(path))
        return opened(path, *how)

    monkeypatch.setattr(os, "open", refuse)
    spool = make_spool(tmp_path)
    spool.adopt()
    assert drain(spool) == LINES[1:]


def test_a_file_that_cannot_be_read_holds_up_no_other(tmp_path: Path, monkeypatch: Any) -> None:
    broken = left_behind(tmp_path, LINES[:1])
    left_behind(tmp_path, LINES[1:])
    read = Segment.read

    def fail(segment: Segment, *how: Any) -> Any:
        if segment.path == broken:
            raise OSError(EIO, "Input/output error")
        return read(segment, *how)

    monkeypatch.setattr(Segment, "read", fail)
    spool = make_spool(tmp_path)
    spool.adopt()
    assert spool.next_batch() is None
    assert drain(spool) == LINES[1:]
    spool.release()


@pytest.mark.parametrize("whose", ["a new file's", "a left one's"])
def test_a_disk_without_locks_costs_no_open_files(tmp_path: Path, monkeypatch: Any, whose: str) -> None:
    path = left_behind(tmp_path, LINES)

    def no_locks(file: int, how: int) -> None:
        raise OSError(ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    before = len(os.listdir("/proc/self/fd")), sorted(tmp_path.iterdir())
    for _ in range(3):
        with pytest.raises(OSError, match="No locks"):
            _ = Segment.create(tmp_path) if whose == "a new file's" else Segment.adopt(path)
    assert before == (len(os.listdir("/proc/self/fd")), sorted(tmp_path.iterdir()))


def test_a_letter_that_a_full_disk_cut_off_spoils_no_other(tmp_path: Path, monkeypatch: Any) -> None:
    letters = DeadLetters(tmp_path, Notices(None))
    write = dead_letters.write
    for n in range(3):
        short = (lambda file, line: write(file, line[:20])) if n == 1 else write
        monkeypatch.setattr(dead_letters, "write", short)
        letters.add(Notice(f"e{n}", "conflict", "", {}))
    lines = (tmp_path / "rejected.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["id"] for line in (lines[0], lines[2])] == ["e0", "e2"]


def test_a_file_has_one_holder_at_a_time(tmp_path: Path) -> None:
    path = left_behind(tmp_path, LINES)
    segment = adopted(path)
    assert Segment.adopt(path) is None
    segment.remove()
    assert Segment.adopt(path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_taken_over_between_its_making_and_its_lock_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open
    thieves: list[Segment] = []

    def open_and_lose(path: Path, flags: int, mode: int = 0o777) -> int:
        file = opened(path, flags, mode)
        if flags & os.O_CREAT and not thieves:
            thieves.append(adopted(path))
        return file

    monkeypatch.setattr(os, "open", open_and_lose)
    segment = Segment.create(tmp_path)
    assert segment.path != thieves[0].path
    thieves[0].remove()
    segment.remove()


def fail_half_way(file: int, data: bytes) -> int:
    if len(data) > 5:
        return os.write(file, data[:5])
    raise OSError(ENOSPC, "No space left on device")


def test_a_write_that_fails_half_way_leaves_nothing_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = Segment.create(tmp_path)
    segment.append(LINES[0])
    with monkeypatch.context() as full:
        full.setattr("burnline.segments.write", fail_half_way)
        with pytest.raises(OSError):
            segment.append(b"123")
    segment.append(LINES[1])
    assert lines_of(segment) == LINES[:2]
    segment.remove()


def test_an_event_that_the_disk_refuses_waits_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = make_spool(tmp_path)
    spool.append(LINES[0])
    with monkeypatch.context() as full:
        full.setattr("burnline.segments.write", fail_half_way)
        assert spool.append(b"123")
    assert spool.in_memory == 1
    assert drain(spool) == [b"123", LINES[0]]
    spool.release()


def test_what_only_memory_had_is_written_down_at_the_end(tmp_path: Path) -> None:
    blocked = tmp_path / "spool"
    blocked.write_text("a file where the folder should be")
    spool = make_spool(blocked)
    for line in LINES[:4]:
        assert spool.append(line)
    blocked.unlink()
    spool.release()
    assert (spool.in_memory, spool.pending) == (0, 4)
    second = make_spool(blocked)
    second.adopt()
    assert drain(second) == LINES[:4]


def test_a_full_spool_refuses_new_events_and_keeps_the_promised_ones(tmp_path: Path) -> None:
    spool = make_spool(tmp_path, spool_bytes=60)
    kept = [line for line in LINES if spool.append(line)]
    assert kept == LINES[: len(kept)] and 0 < len(kept) < len(LINES)
    assert drain(spool) == kept
    spool.adopt()
    assert spool.append(LINES[9])
    spool.release()


def test_what_others_left_counts_toward_the_bound(tmp_path: Path) -> None:
    left_behind(tmp_path, LINES)
    spool = make_spool(tmp_path, spool_bytes=100)
    spool.adopt()
    assert not spool.append(LINES[0])
    drain(spool)
    spool.adopt()
    assert spool.append(LINES[0])
    spool.release()


def test_each_event_is_on_the_disk_before_track_returns_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for fsync, expected in (("always", 4), ("interval", 1), ("never", 0)):
        spool = make_spool(tmp_path / fsync, fsync=fsync, segment_bytes=ALL)
        for line in LINES[:3]:
            spool.append(line)
        assert len(synced) == expected  # one of them for the folder
        spool.abandon()
        synced.clear()


def test_a_sync_covers_every_file_written_since_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = make_spool(tmp_path)
    for line in LINES:
        spool.append(line)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    spool.sync()
    assert len(synced) == len(list(tmp_path.glob("*.events"))) > 1
    spool.sync()
    assert len(synced) == len(list(tmp_path.glob("*.events")))
    spool.release()


def test_an_event_larger_than_a_batch_travels_alone(tmp_path: Path) -> None:
    spool = make_spool(tmp_path, batch_bytes=50, segment_bytes=ALL)
    large = b'"%b"' % (b"x" * 500)
    for line in (LINES[0], large, LINES[1]):
        spool.append(line)
    assert drain(spool) == [LINES[0], large, LINES[1]]
    spool.release()
