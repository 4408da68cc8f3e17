"""One Postgres and one Valkey for the run, and no way out of this machine."""

import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_socket import socket_allow_hosts

from config.places import Places
from config.servers import owned, start_servers

RUNNING = ExitStack()


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    if is_worker(config) or config.option.collectonly or config.option.help:
        return
    var = Path(os.environ["BURNLINE_TEST_VAR"])
    RUNNING.callback(shutil.rmtree, var, ignore_errors=True)
    places = Places(var)
    RUNNING.enter_context(owned(places, "test"))
    servers = start_servers(
        places,
        postgres="DATABASE_URL" not in os.environ,
        valkey="REDIS_URL" not in os.environ,
        durable=False,
    )
    RUNNING.callback(servers.stop)


def pytest_unconfigure(config: pytest.Config) -> None:
    RUNNING.close()


@pytest.fixture(autouse=True, scope="session")
def only_this_machine() -> None:
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)
