"""What holds for every endpoint of the API, shown on the customers'."""

import gzip
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from core import limits
from customers.api_keys import create_api_key
from customers.models import ApiKey, Customer

BODY = {"key": "acme", "name": "Acme"}


def test_without_a_key_nothing_is_answered(db: None) -> None:
    for method, path in [("GET", "/v1/customers"), ("POST", "/v1/customers"), ("GET", "/v1/customers/x")]:
        response = Client().generic(method, path)
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer")
        assert response.json()["code"] == "unauthorized"


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer  ", "Basic abc", "Bearer \u00e9", "Bearer " + "x" * 57]
)
def test_a_wrong_key_is_refused(db: None, header: str) -> None:
    response = Client().get("/v1/customers", headers={"Authorization": header})
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"


def test_a_scope_is_needed_for_what_is_asked(api_with_key: Callable[..., Any]) -> None:
    assert api_with_key(["read"]).post("/v1/customers", BODY).status_code == 403
    assert api_with_key(["write"]).get("/v1/customers").status_code == 403
    assert api_with_key(["ingest"]).get("/v1/customers").json()["code"] == "forbidden"
    assert not Customer.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"[]", 422),
        (b"null", 422),
        (b"5", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 5000, 400),
        (b'{"key": "a", "key": "b"}', 400),
        (b'{"key": "a\\u0000", "name": "x"}', 422),
        (b'{"key": "a", "name": "\\ud800"}', 422),
        (b'{"key": "a", "name": "x", "tax_rate": NaN}', 422),
        (b'{"key": "a", "name": "x", "tax_rate": 1e131000}', 422),
    ],
)
def test_hostile_bodies_are_client_errors(operator_api: Any, body: bytes, status: int) -> None:
    response = operator_api.post("/v1/customers", body)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert set(response.json()) >= {"type", "title", "status", "code", "detail", "errors"}


def test_a_body_is_read_up_to_the_limit_and_not_beyond(operator_api: Any) -> None:
    head = json.dumps(BODY).encode()
    assert (
        operator_api.post("/v1/customers", head + b" " * (limits.BODY_BYTES_MAX - len(head))).status_code
        == 201
    )
    assert operator_api.post("/v1/customers", head + b" " * limits.BODY_BYTES_MAX).status_code == 413


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_packed_bodies_are_unpacked_but_bombs_are_not(
    operator_api: Any, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    good = pack(json.dumps(BODY).encode())
    assert operator_api.post("/v1/customers", good, content_encoding=encoding).status_code == 201
    bomb = pack(b" " * (limits.BODY_BYTES_MAX * 4))
    assert operator_api.post("/v1/customers", bomb, content_encoding=encoding).status_code == 413
    for lie in (b"{}", good[:-5], good + b"more", good + b"\x1f\x8b", good + b"\0"):
        assert operator_api.post("/v1/customers", lie, content_encoding=encoding).status_code == 400


def test_pieces_that_were_packed_one_by_one_are_one_body_and_bounded(operator_api: Any) -> None:
    whole = json.dumps(BODY).encode()

    def send(*pieces: bytes) -> int:
        packed = b"".join(gzip.compress(piece) for piece in pieces)
        return operator_api.post("/v1/customers", packed, content_encoding="gzip").status_code

    assert send(whole[:7], b"", whole[7:]) == 201
    half = b" " * (limits.BODY_BYTES_MAX // 2)
    assert send(half, half, b"   ") == 413
    assert send(b"[", *[b" "] * limits.GZIP_MEMBERS_MAX) == 400


def test_a_name_that_it_does_not_answer_under_is_a_problem_too(client: Any, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["billing.example.com"]
    response = client.post("/v1/events", b"{}", content_type="application/json", headers={"Host": "other"})
    assert (response.status_code, response.json()["code"]) == (400, "wrong_host")


def test_an_unknown_packing_or_type_is_not_read(operator_api: Any) -> None:
    assert operator_api.post("/v1/customers", BODY, content_encoding="br").status_code == 415
    response = operator_api.post(
        "/v1/customers", b"key=acme", content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code == 415
    assert response.json()["code"] == "unsupported_media_type"


def test_a_method_that_is_not_there_says_which_are(operator_api: Any) -> None:
    response = operator_api.send("DELETE", "/v1/customers", None)
    assert response.status_code == 405
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize("key", ["%00", "%F0%9F", "a%0Ab", "x" * 3000, "%E2%80%AE"])
def test_strange_addresses_are_absent(operator_api: Any, key: str) -> None:
    assert operator_api.get(f"/v1/customers/{key}").status_code == 404


def test_an_absent_database_is_a_503_that_says_when_to_come_back(
    operator_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr("customers.api.customers_seen_by", fail)
    response = operator_api.get("/v1/customers")
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0
    assert response.json()["code"] == "unavailable"


class TestIdempotencyKey:
    def test_the_same_request_is_carried_out_once(self, operator_api: Any) -> None:
        first = operator_api.post("/v1/customers", BODY, idempotency_key="k1")
        again = operator_api.post("/v1/customers", dict(reversed(BODY.items())), idempotency_key="k1")
        assert first.status_code == again.status_code == 201
        assert "Idempotent-Replay" not in first and again["Idempotent-Replay"] == "true"
        assert first.json() == again.json()
        assert Customer.objects.count() == 1

    def test_another_request_under_the_same_key_is_refused(self, operator_api: Any) -> None:
        operator_api.post("/v1/customers", BODY, idempotency_key="k1")
        other = operator_api.post("/v1/customers", BODY | {"key": "beta"}, idempotency_key="k1")
        assert other.status_code == 422
        assert other.json()["errors"][0]["code"] == "idempotency_key_reused"
        assert Customer.objects.count() == 1

    def test_a_refused_request_leaves_the_key_free(self, operator_api: Any) -> None:
        operator_api.post("/v1/customers", BODY)
        assert operator_api.post("/v1/customers", BODY, idempotency_key="k1").status_code == 409
        assert (
            operator_api.post("/v1/customers", BODY | {"key": "beta"}, idempotency_key="k1").status_code
            == 201
        )

    def test_two_keys_of_two_senders_do_not_meet(
        self, operator_api: Any, api_with_key: Callable[..., Any]
    ) -> None:
        operator_api.post("/v1/customers", BODY, idempotency_key="k1")
        other = api_with_key(["write"]).post("/v1/customers", BODY | {"key": "beta"}, idempotency_key="k1")
        assert other.status_code == 201 and "Idempotent-Replay" not in other

    @pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "\u00e9"])
    def test_a_key_must_be_visible_ascii(self, operator_api: Any, key: str) -> None:
        response = operator_api.post("/v1/customers", BODY, idempotency_key=key)
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "Idempotency-Key"


def test_the_last_use_of_a_key_is_noted(db: None) -> None:
    key, plaintext = create_api_key(name="test", scopes=["read"], now=datetime.now(UTC))
    Client().get("/v1/customers", headers={"Authorization": f"Bearer {plaintext}"})
    assert ApiKey.objects.get(pk=key.pk).last_used_at is not None


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/customers/", "/v1/customers/a/b/c", "/api/v1/nothing"])
def test_an_address_without_a_view_is_a_problem_not_a_page(db: None, path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_a_bug_of_ours_is_told_as_a_problem(operator_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("customers.api.customers_seen_by", fail)
    response = operator_api.get("/v1/customers")
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"


@pytest.mark.django_db(transaction=True)
def test_equal_requests_at_the_same_moment_have_one_effect(api_with_key: Callable[..., Any]) -> None:
    api = api_with_key()
    start = Barrier(8)

    def ask() -> tuple[int, bool]:
        try:
            start.wait()
            response = api.post("/v1/customers", BODY, idempotency_key="k1")
            return response.status_code, "Idempotent-Replay" in response
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = [future.result() for future in [threads.submit(ask) for _ in range(8)]]
    assert sorted(answers) == [(201, False)] + [(201, True)] * 7
    assert Customer.objects.count() == 1
