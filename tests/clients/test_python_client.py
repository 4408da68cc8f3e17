"""Our own Python client against a running Burnline."""

import asyncio
import json
import logging
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import burnline as client_package
import pytest
from openai.types.chat import ChatCompletion

from metering.models import Event
from tests.clients.provider import ANSWER, ANSWERED
from tests.clients.wire import Wire
from tests.faults.installation import eventually

MakeClient = Callable[..., client_package.Client]
TOO_MANY = (429, {"Retry-After": "0"}, b'{"code": "too_many_requests"}')
FULL = 1000


@pytest.fixture
def make_client(burnline: Any, tmp_path: Path) -> Iterator[MakeClient]:
    """Clients with a spool, ended with the test; quick to try again."""
    made = []

    def make(url: str = burnline.url, key: str = burnline.key, **settings: Any) -> client_package.Client:
        quick = {"spool": tmp_path / "spool", "batch_seconds": 0.01, "retry_seconds": (0.01, 0.05)}
        made.append(client_package.Client(url, key, **(quick | settings)))
        return made[-1]

    yield make
    for client in made:
        client.close(0)


@pytest.fixture
def wire(burnline: Any) -> Iterator[Wire]:
    with Wire(burnline.url) as wire:
        yield wire


def rejected(spool: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (spool / "rejected.jsonl").read_text().splitlines()]


def test_an_event_arrives_with_all_that_was_told(make_client: MakeClient) -> None:
    client = make_client(source="app")
    at = datetime.now(UTC)
    event_id = client.track(
        customer="acme",
        provider="openai",
        model="gpt-5",
        usage={"input": 1200, "cache_write": {"5m": 40}, "output": Decimal("300")},
        service_tier="flex",
        quantity=1.5,
        status="failed",
        latency_ms=812.4,
        run={"id": "run-9", "step": 3},
        properties={"feature": "chat", "share": 0.25, "day": at.date(), "tiny": 1e-7},
        time=at,
    )
    assert client.flush(60)
    stored = Event.objects.get()
    assert (stored.event_id, stored.source, stored.occurred_at) == (event_id, "app", at)
    assert (stored.model, stored.status, stored.quantity, stored.latency_ms) == (
        "gpt-5",
        "failed",
        Decimal("1.5"),
        812,
    )
    assert stored.usage == {"input": "1200", "cache_write_5m": "40", "output": "300"}
    assert stored.properties == {
        "feature": "chat",
        "share": "0.25",
        "day": at.date().isoformat(),
        "tiny": "0.0000001",
    }
    assert client.stats().accepted == 1


@pytest.mark.parametrize("shape", ["model", "dict", "object"])
def test_a_providers_response_is_read_in_any_shape_and_counted_by_its_own_id(
    make_client: MakeClient, shape: str
) -> None:
    response: Any = ANSWER
    if shape == "model":
        response = ChatCompletion.model_validate(ANSWER)
    if shape == "object":
        response = SimpleNamespace(**(ANSWER | {"usage": SimpleNamespace(**ANSWER["usage"])}))  # type: ignore[dict-item]
    client = make_client()
    assert client.track(customer="acme", provider="openai", response=response) == "chatcmpl-stand-in"
    assert client.flush(60)
    stored = Event.objects.get()
    assert (stored.event_id, stored.model, stored.usage) == (
        "chatcmpl-stand-in",
        "gpt-5-2025-08-07",
        ANSWERED,
    )


def test_no_prompt_and_no_answer_reaches_the_spool(make_client: MakeClient, tmp_path: Path) -> None:
    client = make_client("http://127.0.0.1:9")
    client.track(customer="acme", provider="openai", response=ChatCompletion.model_validate(ANSWER))
    written = b"".join(path.read_bytes() for path in (tmp_path / "spool").iterdir())
    assert b"chatcmpl-stand-in" in written and b"Paris" not in written


def test_the_same_event_from_two_clients_counts_once(make_client: MakeClient, tmp_path: Path) -> None:
    at = datetime.now(UTC)
    for spool in ("one", "two"):
        client = make_client(spool=tmp_path / spool)
        client.track(customer="acme", usage={"output": 1}, id="same", time=at)
        assert client.flush(60)
    assert (client.stats().duplicates, Event.objects.count()) == (1, 1)


def test_thousands_of_events_travel_in_full_batches(make_client: MakeClient, wire: Wire) -> None:
    client = make_client(wire.url, batch_seconds=60)
    ids = {client.track(customer="acme", usage={"output": n}) for n in range(1200)}
    assert client.flush(60)
    assert set(Event.objects.values_list("event_id", flat=True)) == ids
    assert len(wire.sizes) == 3


def test_what_the_server_rejects_is_kept_with_the_reason_and_never_sent_again(
    make_client: MakeClient, wire: Wire, tmp_path: Path
) -> None:
    told: list[client_package.Notice] = []
    client = make_client(wire.url, on_rejected=told.append)
    client.track(customer="acme", usage={"output": 1}, id="good")
    client.track(customer="acme", usage={"robots": 1}, id="bad")
    assert client.flush(60)
    (kept,) = rejected(tmp_path / "spool")
    assert (kept["id"], kept["code"], kept["event"]["usage"]) == ("bad", "usage", {"robots": 1})
    assert "robots" in kept["detail"]
    assert [(notice.id, notice.code) for notice in told] == [("bad", "usage")]
    assert (client.stats().accepted, client.stats().rejected, client.stats().pending) == (1, 1, 0)
    requests = len(wire.sizes)
    client.track(customer="acme", usage={"output": 1}, id="next")
    assert client.flush(60) and len(wire.sizes) == requests + 1
    assert set(Event.objects.values_list("event_id", flat=True)) == {"good", "next"}


def test_a_callback_that_fails_disturbs_nobody(make_client: MakeClient) -> None:
    def fail(notice: client_package.Notice) -> None:
        raise RuntimeError(notice.code)

    client = make_client(on_rejected=fail)
    assert client.track(customer="acme", quantity=float("nan")) is None
    client.track(customer="acme", usage={"robots": 1})
    client.track(customer="acme", usage={"output": 1})
    assert client.flush(60)
    assert (client.stats().refused, client.stats().rejected, client.stats().accepted) == (1, 1, 1)


@pytest.mark.parametrize(
    "fault",
    [
        "refuse",
        "cut",
        TOO_MANY,
        (503, {"Retry-After": "0"}, b""),
        (500, {}, b"<html>"),
        (200, {}, b"<html>Welcome to the hotel's network"),
        (200, {}, b'{"accepted": 1, "duplicates": 0, "rejected": []}'),
        (408, {}, b""),
    ],
)
def test_a_passing_failure_is_tried_again_and_counts_once(
    make_client: MakeClient, wire: Wire, fault: Any
) -> None:
    wire.faults.extend([fault] * 3)
    client = make_client(wire.url)
    ids = {client.track(customer="acme", usage={"output": n}) for n in range(3)}
    eventually(lambda: client.stats().pending == 0, "all is answered")
    assert set(Event.objects.values_list("event_id", flat=True)) == ids
    stats = client.stats()
    assert (stats.failures >= 3, stats.rejected, stats.accepted + stats.duplicates) == (True, 0, 3)


def test_retry_after_is_obeyed_even_in_a_hurry(make_client: MakeClient, wire: Wire) -> None:
    wire.always = (429, {"Retry-After": "3600"}, b"")
    client = make_client(wire.url)
    client.track(customer="acme", usage={"output": 1})
    eventually(lambda: client.stats().failures, "the server asked to wait")
    assert not client.flush(0.1)
    assert len(wire.sizes) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 302, 400])
def test_a_refused_client_stops_keeps_everything_and_goes_on_when_it_is_let_in(
    make_client: MakeClient, wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    wire.faults.append((status, {}, b"<html>not Burnline's own words"))
    client = make_client(wire.url)
    client.track(customer="acme", usage={"output": 1}, id="e1")
    eventually(lambda: client.stats().halted, "it has stopped")
    assert str(status) in client.stats().halted
    client.track(customer="acme", usage={"output": 1}, id="e2")
    assert "CRITICAL" in {record.levelname for record in caplog.records}
    assert len(wire.sizes) == 1 and not (tmp_path / "spool" / "rejected.jsonl").exists()
    assert client.flush(60)  # asks once, without waiting for the next time
    assert (Event.objects.count(), client.stats().halted) == (2, "")


def test_a_key_that_is_not_known_costs_no_event(make_client: MakeClient, burnline: Any) -> None:
    wrong = make_client(key="bl_wrong")
    assert not wrong.check().ok
    wrong.track(customer="acme", usage={"output": 1})
    eventually(lambda: "401" in wrong.stats().halted, "it is turned away")
    assert not wrong.flush(0.1)
    wrong.close(0)
    right = make_client()
    eventually(lambda: right.stats().accepted == 1, "the event left behind is sent")


def test_a_batch_that_is_too_large_is_split(make_client: MakeClient, wire: Wire) -> None:
    too_large = (413, {}, b"")
    wire.faults.extend([too_large] * 4)
    client = make_client(wire.url, batch_seconds=60)
    ids = {client.track(customer="acme", usage={"output": n}) for n in range(100)}
    assert client.flush(60)
    assert set(Event.objects.values_list("event_id", flat=True)) == ids
    assert client.stats().rejected == 0


def test_one_event_that_spoils_a_batch_is_found_and_the_others_are_taken(
    make_client: MakeClient, wire: Wire, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pass_on = wire.pass_on
    refusal = (400, {}, b'{"code": "malformed", "detail": "It cannot be read."}')
    monkeypatch.setattr(
        wire, "pass_on", lambda request, body: refusal if b'"culprit"' in body else pass_on(request, body)
    )
    client = make_client(wire.url, batch_seconds=60)
    for n in range(50):
        client.track(customer="acme", usage={"output": n}, id="culprit" if n == 17 else f"e{n}")
    assert client.flush(60)
    assert Event.objects.count() == 49
    assert [line["id"] for line in rejected(tmp_path / "spool")] == ["culprit"]


def test_without_a_spool_events_wait_in_memory(make_client: MakeClient, wire: Wire) -> None:
    wire.always = "refuse"
    client = make_client(wire.url, spool=None, memory_events=2)
    taken = [client.track(customer="acme", usage={"output": 1}) for _ in range(3)]
    assert taken[2] is None and None not in taken[:2]
    assert (client.stats().in_memory, client.stats().dropped) == (2, 1)
    wire.always = None
    assert client.flush(60)
    assert Event.objects.count() == 2


def test_an_asyncio_program_is_never_held_up(make_client: MakeClient, wire: Wire) -> None:
    wire.always = "hang"
    client = make_client(wire.url)

    async def serve() -> None:
        for _ in range(100):
            client.track(customer="acme", usage={"output": 1})
            await asyncio.sleep(0)

    # In a thread of its own: a browser test may have left a loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(asyncio.wait_for(serve(), 30))).result()
    assert client.stats().tracked == 100


def test_a_forked_worker_reports_on_its_own(make_client: MakeClient) -> None:
    client = make_client()
    client.track(customer="acme", usage={"output": 1}, id="parent")
    child = os.fork()
    if child == 0:
        taken = client.track(customer="acme", usage={"output": 1}, id="child")
        flushed = client.flush(30)
        os._exit(0 if taken and flushed and client.stats().tracked == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    client.track(customer="acme", usage={"output": 1}, id="parent-again")
    assert client.flush(60)
    assert set(Event.objects.values_list("event_id", flat=True)) == {"parent", "child", "parent-again"}


def test_the_steps_of_a_run_are_numbered(make_client: MakeClient) -> None:
    client = make_client()
    run = client.run("run-1", customer="acme", properties={"feature": "agent"})
    run.track(usage={"output": 1})
    run.track(usage={"output": 1}, properties={"task": "plan"})
    assert client.flush(60)
    stored = list(Event.objects.order_by("run__step"))
    assert [(event.run_id, event.run["step"]) for event in stored] == [
        ("run-1", 1),
        ("run-1", 2),
    ]
    assert stored[1].properties == {"feature": "agent", "task": "plan"}


def test_check_tells_whether_the_key_works(make_client: MakeClient, burnline: Any) -> None:
    from customers.api_keys import create_api_key
    from customers.models import Customer

    now = datetime.now(UTC)
    acme = Customer.objects.get(key="acme")
    assert make_client().check().ok
    customers_own = create_api_key(name="own", scopes=["ingest"], customer=acme, now=now)[1]
    assert make_client(key=customers_own).check().ok
    reader = create_api_key(name="reader", scopes=["read"], now=now)[1]
    assert "403" in make_client(key=reader).check().detail
    assert "does not answer" in make_client("http://127.0.0.1:9").check().detail
    assert Event.objects.count() == 0


def test_settings_that_can_never_work_are_told_at_once() -> None:
    for url in (
        "billing.example.com",
        "http://h:99999",
        "http://h:x",
        "http://exämple..com",
        "ftp://h",
        None,
    ):
        with pytest.raises(ValueError, match="^url: "):
            client_package.Client(url, "k")
    for odd in (
        {"key": "k\n"},
        {"source": ""},
        {"batch_events": FULL + 1},
        {"batch_events": "5"},
        {"spool": 5},
        {"spool": "a\0b"},
        {"timeout": 0},
        {"timeout": None},
        {"retry_seconds": (0, 0)},
        {"retry_seconds": 5},
        {"adopt_seconds": 0},
        {"halted_seconds": math.nan},
        {"fsync_seconds": -1},
        {"segment_bytes": 0},
        {"on_rejected": 5},
    ):
        with pytest.raises(ValueError, match=f"^{next(iter(odd))}: "):
            client_package.Client("http://h", **{"key": "k"} | odd)


def test_a_callback_that_ends_its_thread_does_not_end_the_sending(make_client: MakeClient) -> None:
    def leave(notice: object) -> None:
        sys.exit()

    client = make_client(on_rejected=leave)
    client.track(customer="acme", service_tier="odd", id="refused")
    client.flush(60)
    client.track(customer="acme", usage={"output": 1}, id="good")
    assert client.flush(60)
    assert Event.objects.get().event_id == "good"


def test_without_a_thread_events_are_kept_until_there_is_one(
    make_client: MakeClient, monkeypatch: Any
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as crowded:
        crowded.setattr(threading.Thread, "start", refuse)
        client = make_client()
        assert client.track(customer="acme", usage={"output": 1}, id="first") == "first"
        assert client.stats().pending == 1
    client.track(customer="acme", usage={"output": 1}, id="second")
    assert client.flush(60)
    assert Event.objects.count() == 2


def test_a_log_that_fails_disturbs_nobody(make_client: MakeClient) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise OSError("the log's disk is full")

    logging.getLogger("burnline").addFilter(fail)
    try:
        client = make_client()
        assert client.track(customer="acme", usage={"output": math.nan}) is None
        assert client.track(customer="acme", properties={"odd": object()}, id="e1") == "e1"
        assert client.flush(60)
    finally:
        logging.getLogger("burnline").removeFilter(fail)
