"""What a body may hold while it comes, and what is left of it once it is read, or its request answered."""

import gc
import io
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection, transaction

from core import limits
from core.http import received_body
from core.http.received_body import ReceivedBody, letting_go_of_bodies


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def environ_of(stream: io.BytesIO, path: str, length: int) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "CONTENT_LENGTH": str(length),
        "CONTENT_TYPE": "application/json",
        "wsgi.input": stream,
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    }


@pytest.mark.parametrize("path", ["/v1/events", "/livez", "/nowhere"])
def test_nothing_of_a_body_outlives_the_answer_though_the_request_does(
    db: None, no_collector: None, path: str
) -> None:
    kept = []

    def django_kept_alive(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        kept.append(environ)
        return WSGIHandler()(environ, start_response)

    stream = io.BytesIO(b"x" * 1_000)
    gone = weakref.ref(stream)
    answer = letting_go_of_bodies(django_kept_alive)(environ_of(stream, path, 1_000), lambda *told: None)
    del stream
    assert kept
    assert gone() is None
    answer.close()


def test_the_servers_bytes_go_as_soon_as_the_last_is_read() -> None:
    stream = io.BytesIO(b"abcdef")
    gone = weakref.ref(stream)
    body = ReceivedBody(stream, 6)
    del stream
    assert body.read(4) == b"abcd"
    assert gone() is not None
    assert body.read(2) == b"ef"
    assert gone() is None
    assert body.read(1) == b""
    assert body.readline(1) == b""


def test_a_body_without_a_length_ends_where_less_comes_than_was_asked_for() -> None:
    stream = io.BytesIO(b"abcdef")
    gone = weakref.ref(stream)
    body = ReceivedBody(stream, 0)
    del stream
    assert body.read(6) == b"abcdef"
    assert gone() is not None
    assert body.read(6) == b""
    assert gone() is None


def test_lines_are_read_to_the_last() -> None:
    body = ReceivedBody(io.BytesIO(b"one\ntwo"), 7)
    assert [body.readline(100), body.readline(100), body.readline(100)] == [b"one\n", b"two", b""]


def test_what_fails_lets_go_as_well() -> None:
    def fails(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        raise RuntimeError

    stream = io.BytesIO(b"x")
    environ = environ_of(stream, "/", 1)
    gone = weakref.ref(stream)
    del stream
    with pytest.raises(RuntimeError):
        letting_go_of_bodies(fails)(environ, lambda *told: None)
    assert gone() is None


class BodyOfAThread(io.BytesIO):
    """Tells whether a database connection was in hand while it was waited for."""

    connected: bool

    def read(self, size: int | None = -1) -> bytes:
        self.connected = connection.connection is not None
        return super().read(size)


@pytest.mark.django_db(transaction=True)
def test_no_database_connection_is_kept_from_others_while_a_body_comes() -> None:
    stream = BodyOfAThread(b"x")
    connection.ensure_connection()
    ReceivedBody(stream, 1).read(1)
    assert not stream.connected


@pytest.mark.django_db(transaction=True)
def test_a_transaction_keeps_its_connection() -> None:
    stream = BodyOfAThread(b"x")
    with transaction.atomic():
        connection.ensure_connection()
        ReceivedBody(stream, 1).read(1)
    assert stream.connected


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> threading.BoundedSemaphore:
    """Room for one body at a time, and nobody waits."""
    room = threading.BoundedSemaphore()
    monkeypatch.setattr(received_body, "_readers", room)
    monkeypatch.setattr(limits, "BODY_WAITS_SECONDS_MAX", 0)
    return room


FORM = "application/x-www-form-urlencoded"


def send(api: Any, path: str, content_type: str = "application/json") -> Any:
    received: Any = {"wsgi.input": ReceivedBody(io.BytesIO(b"{}"), 2)}
    return api.client.generic("POST", path, b"{}", content_type, headers=api.headers, **received)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/v1/events", "application/json"),
        ("/v1/traces", "application/json"),
        ("/v1/customers", "application/json"),
        ("/v1/stripe/webhook", "application/json"),
        ("/accounts/login/", FORM),
    ],
)
def test_while_too_many_bodies_are_received_another_is_503(
    operator_api: Any, readers: threading.BoundedSemaphore, path: str, content_type: str
) -> None:
    with readers:
        answer = send(operator_api, path, content_type)
        assert (answer.status_code, b"Too many bodies" in answer.content) == (503, True)
    assert send(operator_api, path, content_type).status_code < 500


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/v1/events", ""), ("/v1/customers", "application/json"), ("/accounts/login/", FORM)],
)
def test_who_is_told_to_come_back_is_told_when(
    operator_api: Any, readers: threading.BoundedSemaphore, path: str, content_type: str
) -> None:
    with readers:
        assert int(send(operator_api, path, content_type)["Retry-After"]) > 0
