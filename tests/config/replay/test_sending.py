"""Sending a trace to a real server: batches, retries with patience, and a summary that adds up."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from config.replay.sending import Door, SendingError, Summary, batches
from config.replay.traces import Call


class Server:
    """Answers as it was told to, one answer a request; the last one stays."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        self.bodies: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                answers = outer.answers
                status, answer, headers = answers.pop(0) if len(answers) > 1 else answers[0]
                body = json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def good(count: int) -> tuple[int, dict[str, Any], dict[str, str]]:
    return 200, {"accepted": count, "duplicates": 0, "rejected": []}, {}


def test_a_busy_server_is_asked_again_after_as_long_as_it_wishes(server: Server) -> None:
    server.answers = [(429, {}, {"Retry-After": "7"}), (503, {}, {}), good(1)]
    slept: list[float] = []
    with Door(server.url, "key", sleep=slept.append) as door:
        answer = door.send([{"id": "a"}])
    assert answer["accepted"] == 1
    assert slept == [7.0, 1.0]
    assert [body["events"] for body in server.bodies] == [[{"id": "a"}]] * 3


def test_a_server_that_stays_away_is_given_up(server: Server) -> None:
    server.answers = [(503, {}, {})]
    slept: list[float] = []
    with (
        Door(server.url, "key", sleep=slept.append) as door,
        pytest.raises(SendingError, match="after 8 tries: it answers 503"),
    ):
        door.send([{"id": "a"}])
    assert slept == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_a_refusal_that_no_retry_mends_ends_it_at_once(server: Server) -> None:
    server.answers = [(401, {"detail": "The key is unknown."}, {})]
    with (
        Door(server.url, "key") as door,
        pytest.raises(SendingError, match="401: The key is unknown"),
    ):
        door.send([{"id": "a"}])
    assert len(server.bodies) == 1


def test_nobody_at_the_address_is_said_so() -> None:
    with pytest.raises(SendingError, match="cannot be reached"):
        Door("http://127.0.0.1:1", "key", sleep=lambda seconds: None).send([])
    with pytest.raises(SendingError, match="no address"):
        Door("localhost:8000", "key")


def test_a_summary_counts_every_event_and_keeps_the_first_reasons() -> None:
    summary = Summary()
    refused = [{"index": n, "id": f"e{n}", "code": "conflict", "detail": "Other content."} for n in range(5)]
    summary.add({"accepted": 2, "duplicates": 3, "rejected": refused})
    assert (summary.sent, summary.rejected, len(summary.reasons)) == (10, 5, 3)
    assert summary.reasons[0] == "e0: Other content."


def calls_at(*seconds: float) -> list[Call]:
    return [Call(n, timedelta(seconds=after), 1, 0, 1) for n, after in enumerate(seconds, 1)]


def test_without_a_speed_full_batches_follow_each_other() -> None:
    sizes = [len(batch) for batch in batches(calls_at(*range(1_200)), 0)]
    assert sizes == [500, 500, 200]


def test_with_a_speed_calls_go_out_when_their_time_has_come() -> None:
    present = 100.0
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal present
        slept.append(seconds)
        present += seconds

    got = [
        [call.row for call in batch]
        for batch in batches(calls_at(0, 0, 10, 10, 30), 10, clock=lambda: present, sleep=sleep)
    ]
    assert got == [[1, 2], [3, 4], [5]]
    assert slept == [1.0, 2.0]


TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:17:{n // 100:02d}.{n % 100:02d}00000,{100 + n},{n}\n" for n in range(620)
)


@pytest.mark.django_db(transaction=True)
def test_a_trace_sent_twice_is_stored_once(live_server: Any, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from customers.api_keys import create_api_key
    from customers.customers import create_customer
    from metering.models import Event

    now = datetime.now(UTC)
    create_customer(key="acme", name="Acme", now=now)
    key = create_api_key(name="replay", scopes=["ingest"], now=now)[1]
    path = tmp_path / "code.csv"
    path.write_text(TRACE)

    def replay(*more: str) -> str:
        said = StringIO()
        given = ("--customer", "acme", "--url", live_server.url, "--api-key", key, *more)
        call_command("replay", str(path), *given, stdout=said)
        return said.getvalue()

    first = replay()
    assert "620 accepted, 0 duplicates, 0 rejected." in first
    start = first.split("put at ")[1].split(" ")[0]
    assert "0 accepted, 620 duplicates, 0 rejected." in replay("--start", start)
    assert "0 accepted, 0 duplicates, 620 rejected." in replay("--start", start, "--model", "gpt-5")
    assert Event.objects.count() == 620
    event = Event.objects.get(event_id="code.csv:620")
    assert event.usage == {"input": "719", "output": "619"}
    with pytest.raises(CommandError, match="401"):
        call_command("replay", str(path), customer="acme", url=live_server.url, api_key="wrong")
