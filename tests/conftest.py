"""One Postgres and one Valkey for the run, and no way out of this machine."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, settings

from config.places import Places
from config.servers import owned, start_servers
from core.remembered import forget_everything
from tests import cache_keys
from tests.left_as_found import left_as_found

RUNNING = ExitStack()

# A slow machine is no fault of what is tested. A fixture serves all the examples of a test, each of which makes anew what
# it changes. Where CI is set, the examples stay the same from run to run, so that what falls is what was changed.
settings.register_profile(
    "patient",
    settings(),
    deadline=None,
    print_blob=True,
    suppress_health_check=[
        *settings().suppress_health_check,
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    ],
)
settings.load_profile("patient")


def is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    if is_worker(config):
        return
    var = Path(os.environ["BURNLINE_TEST_VAR"])
    RUNNING.callback(shutil.rmtree, var, ignore_errors=True)
    if config.option.collectonly or config.option.help:
        return
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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts whole processes comes first, kind by kind: on one worker, while the quick tests are left to balance."""
    kinds = ("faults", "browser", "slow")
    items.sort(key=lambda item: next((n for n, kind in enumerate(kinds) if item.get_closest_marker(kind)), 9))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are called by their place, not by what they hold: packed ones may hold the time."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def a_test_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of another test's is found, and nothing is left to another.

    A process keeps prices, rates and customers' ids in memory, by ids that another test's database gave to others.
    """
    forget_everything()
    cache_keys.begin_anew()
    with left_as_found():
        yield
        monkeypatch.undo()  # pytest would do it only after this


@pytest.fixture(scope="module")
def made_for_the_module(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A transaction around all tests of a module, whose own ones lie within it.

    A fixture of the module's scope that asks for this one makes its world once; what a test changes of it is gone
    after the test. Not for modules whose tests commit.
    """
    with django_db_blocker.unblock():
        forget_everything()
        whole = transaction.atomic()
        whole._from_testcase = True  # type: ignore[attr-defined]
        with whole:
            yield
            transaction.set_rollback(True)


class Api:
    """The public API as a client sees it: JSON out, JSON back, with one key."""

    def __init__(self, key: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query, headers=self.headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Any:
        return self.send("PATCH", path, body, **headers)

    def send(self, method: str, path: str, body: Any, **headers: str) -> Any:
        """``body`` is sent as it is when it is bytes. Headers are names: ``idempotency_key="k1"``."""
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = given.pop("content-type", "application/json")
        return self.client.generic(method, path, data, content_type, headers=self.headers | given)


def an_api(scopes: Sequence[str] = ("ingest", "read", "write"), customer: Any = None) -> Api:
    from customers.api_keys import create_api_key

    return Api(create_api_key(name="test", scopes=scopes, customer=customer, now=datetime.now(UTC))[1])


@pytest.fixture
def api_with_key(db: None) -> Callable[..., Api]:
    """Makes a client of the API: ``api_with_key(["read"], customer=acme)``; without a customer, the
    operator's.
    """

    return an_api


@pytest.fixture
def operator_api(api_with_key: Callable[..., Api]) -> Api:
    """The API with an operator's key that may do everything."""
    return api_with_key()
