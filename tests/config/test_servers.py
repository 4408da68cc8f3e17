"""The embedded servers: they start, answer, stop, and clean up after a death."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from django.db import connection

from config import postgres as postgres_module
from config import servers as servers_module
from config.places import SOCKET_FOLDER_BYTES_MAX, Places
from config.processes import StartFailure
from config.servers import FolderInUse, Servers, owned, owner_of, prepare_folder, start_servers


@pytest.fixture
def places(tmp_path: Path) -> Places:
    # Below pytest's own folder, which on many machines only its user may enter.
    return Places(tmp_path / "var")


@pytest.fixture
def running(places: Places) -> Iterator[Servers]:
    with owned(places, "test"):
        servers = start_servers(places, durable=False)
        yield servers
        servers.stop()


def ask(places: Places, sql: str) -> object:
    fields = places.database()
    with psycopg.connect(
        host=str(fields["HOST"]),
        port=int(fields["PORT"]),
        user=str(fields["USER"]),
        dbname=str(fields["NAME"]),
    ) as database:
        answer = database.execute(sql)
        row = answer.fetchone() if answer.description else None
        return row[0] if row else None


@pytest.mark.django_db
def test_the_run_has_a_database_of_its_own() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        assert cursor.fetchone()[0].startswith("test_")


def test_both_servers_answer_and_stop(places: Places, running: Servers) -> None:
    assert ask(places, "SELECT 6 * 7") == 42
    with redis.Redis(unix_socket_path=str(places.valkey_socket)) as client:
        assert client.ping()
    running.stop()
    assert not list(places.sockets.iterdir())


def test_data_outlives_a_stop(places: Places) -> None:
    with owned(places, "test"):
        servers = start_servers(places, valkey=False, durable=False)
        ask(places, "CREATE TABLE kept (n) AS VALUES (7)")
        servers.stop()
        servers = start_servers(places, valkey=False, durable=False)
        assert ask(places, "SELECT n FROM kept") == 7
        servers.stop()


def test_a_production_server_keeps_what_it_confirmed(places: Places) -> None:
    with owned(places, "test"):
        servers = start_servers(places, valkey=False)
        try:
            assert ask(places, "SHOW fsync") == "on"
            assert ask(places, "SHOW full_page_writes") == "on"
            assert ask(places, "SHOW synchronous_commit") == "on"
            assert ask(places, "SHOW listen_addresses") == ""
        finally:
            servers.stop()


def test_a_killed_postgres_starts_again_with_its_data(places: Places) -> None:
    with owned(places, "test"):
        servers = start_servers(places, valkey=False)
        ask(places, "CREATE TABLE kept (n) AS VALUES (7)")
        assert servers.postgres is not None and servers.postgres.pid is not None
        # A child of it takes a while to notice.
        child = psutil.Process(servers.postgres.pid).children()[0]
        child.suspend()
        os.kill(servers.postgres.pid, signal.SIGKILL)
        servers.stop()
        threading.Timer(0.5, child.resume).start()
        servers = start_servers(places, valkey=False)
        assert ask(places, "SELECT n FROM kept") == 7
        servers.stop()


def test_a_stale_pid_file_that_names_a_living_stranger_does_not_stop_the_start(places: Places) -> None:
    with owned(places, "test"):
        start_servers(places, valkey=False, durable=False).stop()
        (places.postgres / "postmaster.pid").write_text(f"{os.getpid()}\n{places.postgres}\n")
        (places.sockets / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
        servers = start_servers(places, valkey=False, durable=False)
        assert ask(places, "SELECT 1") == 1
        servers.stop()


def test_servers_left_by_a_killed_parent_are_replaced(places: Places, tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from config.places import Places\n"
        "from config.servers import owned, start_servers\n"
        "with owned(Places(Path(sys.argv[1])), 'up'):\n"
        "    servers = start_servers(Places(Path(sys.argv[1])), durable=False)\n"
        "    print(servers.postgres.pid, servers.valkey.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(places.var)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(servers_module.__file__).parent.parent,
    )
    assert parent.stdout is not None and parent.stdin is not None
    left = [psutil.Process(int(word)) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    with owned(places, "test"):
        servers = start_servers(places, durable=False)
        assert ask(places, "SELECT 1") == 1
        assert not psutil.wait_procs(left, timeout=60)[1]
        servers.stop()


def test_making_the_data_can_be_cut_off_and_begun_again(places: Places) -> None:
    (places.var / "postgres.making").mkdir(parents=True)
    (places.var / "postgres.making" / "half").write_text("x")
    with owned(places, "test"):
        servers = start_servers(places, valkey=False, durable=False)
        assert ask(places, "SELECT 1") == 1
        servers.stop()


def test_a_long_path_gets_its_sockets_elsewhere(tmp_path: Path) -> None:
    places = Places(tmp_path / ("deep" * 30))
    assert len(os.fsencode(places.sockets)) <= SOCKET_FOLDER_BYTES_MAX
    with owned(places, "test"):
        servers = start_servers(places, durable=False)
        assert ask(places, "SELECT 1") == 1
        servers.stop()
        places.sockets.rmdir()


def test_one_folder_has_one_owner(places: Places) -> None:
    assert owner_of(places) is None
    with owned(places, "up"):
        owner = owner_of(places)
        assert owner is not None and owner["pid"] == os.getpid()
        with pytest.raises(FolderInUse, match=f"in use by .* .process {os.getpid()}.; stop that one"):
            owned(places, "command").__enter__()
    assert owner_of(places) is None


def test_a_full_disk_is_said_plainly(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers_module, "FREE_DISK_BYTES_MIN", 2**62)
    with pytest.raises(StartFailure, match="nearly full .* free at least"):
        prepare_folder(places.var)


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StartFailure, match="cannot write to its folder .*: Not a directory"):
        prepare_folder(tmp_path / "file" / "var")


def test_a_postgres_that_cannot_start_gives_its_reason(places: Places) -> None:
    with owned(places, "test"):
        start_servers(places, valkey=False, durable=False).stop()
        (places.postgres / "postgresql.conf").write_text("max_wal_size = lots\n")
        with pytest.raises(StartFailure, match="Postgres did not start: .*postgresql.conf.*all of it: "):
            start_servers(places, valkey=False, durable=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers run under another account")
def test_as_root_it_runs_unprivileged_even_below_folders_closed_to_others(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = postgres_module.BINARIES.parents[1]
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, closed / name, ignore=shutil.ignore_patterns("include"))
    monkeypatch.setattr(postgres_module, "BINARIES", closed / package.name / "pginstall" / "bin")
    with owned(places, "test"):
        servers = start_servers(places, valkey=False, durable=False)
        assert servers.postgres is not None
        assert psutil.Process(servers.postgres.pid).uids().effective != 0
        assert ask(places, "SELECT 1") == 1
        servers.stop()
