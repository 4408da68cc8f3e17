from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from billing.models import Invoice
from core.clock import now as present
from core.models import SandboxClock
from tests.portal.world import Company

CLOCK = "/console/clock"


@pytest.fixture
def sandbox(settings: Any) -> None:
    settings.SANDBOX = True


def test_a_real_clock_has_no_page(operator: Client, settings: Any) -> None:
    settings.SANDBOX = False
    assert (
        operator.get(CLOCK).status_code == 404
        and operator.post(CLOCK, {"day": "2199-01-01"}).status_code == 404
    )
    assert CLOCK not in operator.get("/console/").content.decode()


def test_what_falls_due_on_the_way_is_done(operator: Client, globex: Company, sandbox: None) -> None:
    drafts = Invoice.objects.filter(customer=globex.customer, status="draft")
    assert drafts.exists() and CLOCK in operator.get("/console/").content.decode()
    last = drafts.latest("finalizes_at").finalizes_at
    assert last is not None
    page = operator.post(CLOCK, {"day": f"{last.year + 1}-02-01"}, follow=True).content.decode()
    assert (
        "The clock is moved. What fell due on the way:" in page
        and not drafts.filter(finalizes_at=last).exists()
    )


@pytest.mark.parametrize("day", ["", "soon", "2001-01-01", "9999-01-01"])
def test_a_day_that_cannot_be_is_told(operator: Client, sandbox: None, day: str) -> None:
    answer = operator.post(CLOCK, {"day": day})
    assert answer.status_code == 422 and "to put right" in answer.content.decode()
    assert not SandboxClock.objects.exists()


def test_it_is_put_to_a_time_of_day(operator: Client, sandbox: None) -> None:
    day = (present() + timedelta(days=2)).date().isoformat()
    operator.post(CLOCK, {"day": day, "time": "22:30"})
    assert SandboxClock.objects.get().now.isoformat() == f"{day}T22:30:00+00:00"
    assert "Write a time" in operator.post(CLOCK, {"day": day, "time": "noon"}).content.decode()
