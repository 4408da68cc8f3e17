import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import redis
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from billing.stripe import client as stripe_client_module
from billing.stripe.double.stripe_double import StripeDouble
from config.places import Places
from config.servers import owned
from pricing.price_book import book_changed
from tests.faults.installation import ROOT, WEBHOOK_SECRET, Installation


@pytest.fixture(scope="session")
def whole_installation(tmp_path_factory: pytest.TempPathFactory, django_db_blocker) -> Iterator[Installation]:
    var = tmp_path_factory.mktemp("faults") / "var"
    with owned(Places(var), "test"):
        running = Installation(var)
        try:
            with django_db_blocker.unblock(), running.as_database():
                call_command("migrate", verbosity=0)
            yield running
        finally:
            running.stop()


@pytest.fixture
def installation(whole_installation: Installation, django_db_blocker) -> Iterator[Installation]:
    """The installation with empty tables and queues; Django in this process works on the tables too.

    A message that another test left would have the next worker work, and die where it is told to, before its time.
    """
    with django_db_blocker.unblock(), whole_installation.as_database():
        tables = ", ".join(f'"{model._meta.db_table}"' for model in apps.get_models())
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {tables} CASCADE")
        with redis.Redis(unix_socket_path=str(whole_installation.places.valkey_socket)) as valkey:
            valkey.flushall()
        book_changed()
        logging.disable(logging.CRITICAL)  # failures are what these tests are about
        yield whole_installation
        logging.disable(logging.NOTSET)


@pytest.fixture
def double(installation: Installation, settings) -> Iterator[StripeDouble]:
    """An empty Stripe where every process of the installation looks for it; this process looks there too."""
    settings.STRIPE_API_KEY = "sk_test_burnline"
    settings.STRIPE_API_BASE = installation.stripe_url
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    stripe_client_module._client.cache_clear()
    with StripeDouble(port=installation.stripe_port) as running:
        yield running


@pytest.fixture(scope="session")
def forge_process(whole_installation: Installation) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.forge"],
        cwd=ROOT,
        env=whole_installation.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    yield process
    process.communicate()


@pytest.fixture
def live_in_a_process(forge_process: "subprocess.Popen[str]") -> Callable[..., int]:
    """``live_in_a_process("acme", failpoint="...:kill")``: a month in a process of its own; its exit code."""

    def live(customer: str, *, failpoint: str = "", ending: str = "paid") -> int:
        assert forge_process.stdin is not None and forge_process.stdout is not None
        order = {"customer": customer, "failpoint": failpoint, "ending": ending}
        forge_process.stdin.write(json.dumps(order) + "\n")
        forge_process.stdin.flush()
        return int(forge_process.stdout.readline())

    return live


@pytest.fixture
def api_key(installation: Installation, settings) -> str:
    from customers.api_keys import create_api_key

    settings.SECRET_KEY = installation.secret_key  # which keys are hashed with

    return create_api_key(name="test", scopes=["ingest", "read", "write"], now=datetime.now(UTC))[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == ROOT / "tests" / "faults":
            item.add_marker(pytest.mark.faults)
