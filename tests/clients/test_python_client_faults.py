"""Our own Python client when processes die, servers go away and disks fill: nothing is lost, everything counts once."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import burnline as client_package
import pytest

from metering.models import Event
from tests.clients.wire import Wire
from tests.faults.installation import ROOT, eventually

PROGRAM = Path(__file__).parent / "tracking.py"
ENOUGH = 100
FILE_BYTES = 20_000
Program = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def wire(burnline: Any) -> Iterator[Wire]:
    with Wire(burnline.url) as wire:
        yield wire


@pytest.fixture
def program(burnline: Any, spool: Path) -> Iterator[Program]:
    """Starts ``tracking.py`` in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(
        url: str, *, name: str = "e", count: int = 1_000_000, **options: Any
    ) -> "subprocess.Popen[str]":
        arguments = [url, burnline.key, str(spool), name, str(count), json.dumps(options.pop("settings", {}))]
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT / "clients/python/src")},
            **options,
        )
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def read_ids(process: "subprocess.Popen[str]", count: int) -> set[str]:
    assert process.stdout is not None
    return {process.stdout.readline().strip() for _ in range(count)}


def killed(process: "subprocess.Popen[str]") -> set[str]:
    """The ids that the program wrote before it died of SIGKILL; a last line without an end was never written."""
    process.send_signal(signal.SIGKILL)
    assert process.stdout is not None
    rest = process.stdout.read()  # communicate() would pass over what readline() holds already
    assert process.wait() == -signal.SIGKILL
    return {line for line in rest.split("\n")[:-1] if line != "all"}


def left_in(spool: Path) -> int:
    return len(list(spool.glob("*.events")))


def send_what_is_left(burnline: Any, spool: Path) -> client_package.Stats:
    """Another process of the same program comes up, and takes over what lies there."""
    with client_package.Client(burnline.url, burnline.key, spool=spool, adopt_seconds=0.05) as client:
        eventually(lambda: left_in(spool) == 0, "the spool is empty")
        return client.stats()


def stored_ids() -> set[str]:
    ids = list(Event.objects.values_list("event_id", flat=True))
    assert len(ids) == len(set(ids))
    return set(ids)


def test_killed_while_it_tracks_it_loses_nothing_that_was_kept(
    burnline: Any, spool: Path, program: Program
) -> None:
    process = program(burnline.url)
    kept = read_ids(process, ENOUGH) | killed(process)
    send_what_is_left(burnline, spool)
    # At most the one that was on its way when the process died is there beside them.
    assert kept <= stored_ids() and len(stored_ids() - kept) <= 1


def test_killed_before_anything_was_sent_it_loses_nothing(
    burnline: Any, spool: Path, program: Program
) -> None:
    process = program("http://127.0.0.1:9")
    kept = read_ids(process, ENOUGH) | killed(process)
    stats = send_what_is_left(burnline, spool)
    assert kept <= stored_ids() and stats.duplicates == 0 and stats.adopted >= 1


def test_killed_between_commit_and_answer_it_counts_everything_once(
    burnline: Any, spool: Path, program: Program, wire: Wire
) -> None:
    wire.always = "hang"
    process = program(wire.url, count=ENOUGH)
    kept = read_ids(process, ENOUGH)
    assert wire.committed.wait(30)
    sent_before = Event.objects.count()
    killed(process)
    stats = send_what_is_left(burnline, spool)
    assert stored_ids() == kept
    assert (stats.accepted, stats.duplicates) == (ENOUGH - sent_before, sent_before) and sent_before > 0


def test_a_server_that_is_away_gets_everything_when_it_is_back(
    burnline: Any, spool: Path, wire: Wire
) -> None:
    wire.always = "refuse"
    with client_package.Client(
        wire.url, burnline.key, spool=spool, batch_seconds=0, retry_seconds=(0.01, 0.05)
    ) as client:
        ids = {client.track(customer="acme", usage={"output": n}) for n in range(ENOUGH)}
        eventually(lambda: client.stats().failures > 3, "it has tried several times")
        wire.always = None
        eventually(lambda: client.stats().pending == 0, "all is answered")
    assert stored_ids() == ids


def test_two_processes_share_a_spool_and_each_sends_its_own(
    burnline: Any, spool: Path, program: Program, wire: Wire
) -> None:
    first, second = (program(wire.url, name=name, count=ENOUGH) for name in ("first", "second"))
    kept = read_ids(first, ENOUGH) | read_ids(second, ENOUGH)
    eventually(lambda: Event.objects.count() == 2 * ENOUGH, "all is stored")
    assert stored_ids() == kept
    for process in (first, second):
        told = json.loads(process.communicate()[0].splitlines()[-1])
        assert (told["tracked"], process.returncode) == (ENOUGH, 0)
    assert left_in(spool) == 0


def test_the_files_of_a_living_process_are_left_alone_and_those_of_a_dead_one_taken_over(
    burnline: Any, spool: Path, program: Program
) -> None:
    process = program("http://127.0.0.1:9", count=ENOUGH)
    kept = read_ids(process, ENOUGH)
    with client_package.Client(burnline.url, burnline.key, spool=spool, adopt_seconds=0.05) as client:
        client.track(customer="acme", usage={"output": 1}, id="own")
        assert client.flush(60) and client.stats().adopted == 0
        killed(process)
        eventually(lambda: client.stats().accepted == ENOUGH + 1, "the files were taken over")
    assert stored_ids() == kept | {"own"}


def test_a_program_that_ends_by_itself_sends_what_it_can_and_leaves_the_rest(
    burnline: Any, spool: Path, program: Program
) -> None:
    sent = program(burnline.url, count=10, name="sent", settings={"batch_seconds": 60, "batch_events": 500})
    sent.communicate()
    assert (Event.objects.count(), left_in(spool)) == (10, 0)
    left = program("http://127.0.0.1:9", count=10, name="left", settings={"exit_seconds": 0})
    left.communicate()
    assert (left.returncode, left_in(spool)) == (0, 1)
    send_what_is_left(burnline, spool)
    assert Event.objects.count() == 20


def test_where_the_disk_is_full_events_wait_in_memory_and_are_sent(
    burnline: Any, spool: Path, program: Program, wire: Wire
) -> None:
    # A real limit of the kernel: a write that passes it is cut short, the next one fails.
    limits = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({FILE_BYTES}, resource.RLIM_INFINITY))"
    )
    wire.always = "refuse"
    process = program(wire.url, count=500, preexec_fn=lambda: exec(limits))
    kept = read_ids(process, 500)
    (file,) = spool.glob("*.events")
    assert file.stat().st_size <= FILE_BYTES and file.read_bytes().endswith(b"\n")
    wire.always = None
    eventually(lambda: Event.objects.count() == 500, "all is stored")
    assert stored_ids() == kept
