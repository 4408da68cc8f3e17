"""Backfills on the operator's pages: a file is brought, seen, closed and taken back."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from core.clock import now as present
from core.due_work import run_due
from metering.models import Backfill, Event, WithdrawnEvent
from tests.billing.backfills.world import KINDS
from tests.portal.world import Company, a_member

pytestmark = pytest.mark.django_db


def a_file(key: str, *, events: int = 3) -> SimpleUploadedFile:
    at = present() - timedelta(hours=2)
    rows = [f"f{n},{key},llm.call,{at.isoformat()},chat,1000" for n in range(events)]
    body = "\n".join(
        ["id,customer,type,time,feature,tokens in", *rows, f"bad,{key},llm.call,soon,chat,1", ""]
    )
    return SimpleUploadedFile("lost-day.csv", body.encode(), "text/csv")


def bring(operator: Client, acme: Company, **fields: Any) -> Any:
    form = {
        "file": a_file(acme.customer.key),
        "mapping": "tokens in = usage.input",
        "note": "lost day",
        **fields,
    }
    return operator.post("/console/backfills/new", form)


def work() -> None:
    while run_due(present(), kinds=KINDS):
        pass


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content
    return str(answer.content.decode())


def test_a_file_is_brought_closed_and_taken_back(operator: Client, acme: Company) -> None:
    events = Event.objects.filter(customer_id=acme.customer.id)
    before = events.count()
    page = bring(operator, acme)["Location"]
    assert "being checked" in text_of(operator.get(page))
    work()
    told = text_of(operator.get(page))
    assert "3 new events" in told and "Write an RFC 3339 time" in told
    assert b"f0" not in b"".join(operator.get(f"{page}/rejected.csv").streaming_content)  # type: ignore[attr-defined]
    assert events.count() == before

    operator.post(f"{page}/close")
    assert "being stored" in text_of(operator.get(page))
    work()
    assert "3 events count" in text_of(operator.get(page))
    assert events.count() == before + 3

    operator.post(f"{page}/revert")
    work()
    assert "taken back" in text_of(operator.get(page))
    assert (events.count(), WithdrawnEvent.objects.count()) == (before, 3)
    assert "lost day" in text_of(operator.get("/console/backfills"))


def test_the_first_rows_are_shown_and_nothing_is_kept(operator: Client, acme: Company) -> None:
    told = text_of(bring(operator, acme, act="look"))
    assert "usage.input" in told and "left out" in told
    assert not Backfill.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mapping": "tokens in"}, "no equals sign"),
        ({"mapping": "tokens in = tokens"}, "Write a field of an event"),
        ({"customer": "nobody"}, "No customer has the key"),
        ({"timezone": "Mars/Base"}, "IANA name"),
        ({"file": ""}, "Choose a file"),
        ({"act": "look", "mapping": "id = -"}, "event&#x27;s id"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    operator: Client, acme: Company, fields: dict[str, str], said: str
) -> None:
    answer = bring(operator, acme, **fields)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Backfill.objects.exists()


def test_a_discarded_one_leaves_nothing(operator: Client, acme: Company) -> None:
    page = bring(operator, acme)["Location"]
    work()
    operator.post(f"{page}/discard")
    assert "Discarded" in text_of(operator.get(page))
    operator.post(f"{page}/close")
    assert Backfill.objects.get().state == "discarded"


def test_strangers_and_members_are_kept_out(client: Client, acme: Company) -> None:
    for path in ("/console/backfills", "/console/backfills/new", "/console/backfills/bf_x"):
        assert client.get(path).status_code == 302
    client.force_login(a_member(acme, "someone@example.com"))
    assert client.get("/console/backfills").status_code == 403
