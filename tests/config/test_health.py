"""Liveness, readiness, metrics, and the log line of a request."""

import re

import pytest
from django.db import connection
from django.test import Client, override_settings
from structlog.testing import capture_logs


@pytest.fixture
def client() -> Client:
    return Client(REMOTE_ADDR="127.0.0.1")


def test_livez_answers_without_a_database(client: Client) -> None:
    response = client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz_is_ready_with_every_migration(client: Client) -> None:
    assert client.get("/readyz").json() == {"status": "ok", "postgres": "ok", "migrations": "ok"}


@pytest.mark.django_db
def test_readyz_names_a_missing_migration(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'customers' AND name = '0001_initial'")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["migrations_missing"] == ["customers.0001_initial"]


@pytest.mark.django_db
def test_readyz_does_not_ask_redis(client: Client) -> None:
    away = {"default": {"BACKEND": "config.cache.LossyRedisCache", "LOCATION": "redis://127.0.0.1:1/0"}}
    with override_settings(CACHES=away, CELERY_BROKER_URL="redis://127.0.0.1:1/0"):
        assert client.get("/readyz").status_code == 200


def test_health_is_read_only(client: Client) -> None:
    assert [client.post(path).status_code for path in ("/livez", "/readyz", "/metrics")] == [405, 405, 405]


def test_metrics_count_requests_by_route(client: Client) -> None:
    client.get("/livez")
    text = client.get("/metrics").content.decode()
    assert re.search(r'burnline_requests_total\{method="GET",route="livez",status="200"\} \d', text)


def test_metrics_are_for_this_machine_alone(client: Client) -> None:
    assert Client(REMOTE_ADDR="192.0.2.7").get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403


@override_settings(METRICS_TOKEN="secret-token")
def test_metrics_with_a_token_need_it_from_everyone(client: Client) -> None:
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer secret-token"}).status_code == 200


def test_a_request_is_named_and_logged_once(client: Client) -> None:
    with capture_logs() as lines:
        response = client.get("/no-such-page", headers={"X-Request-Id": "caller-7f3a"})
    assert response["X-Request-Id"] == "caller-7f3a"
    ended = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["path"], line["status"]) for line in ended] == [
        ("GET", "/no-such-page", 404)
    ]


@pytest.mark.parametrize("given", ["", "short", "x" * 65, "with space", 'quo"te-quote'])
def test_an_unfit_request_id_is_replaced(client: Client, given: str) -> None:
    assert re.fullmatch(
        r"[0-9a-f-]{36}", client.get("/livez", headers={"X-Request-Id": given})["X-Request-Id"]
    )


def test_pages_carry_a_policy_without_exceptions(client: Client) -> None:
    policy = client.get("/livez")["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
