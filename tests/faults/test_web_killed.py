"""The web process dies in the middle of storing; whatever was acknowledged is stored, once."""

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPException

import pytest

from billing import tasks
from core.sandbox import set_clock
from metering.models import Event
from tests.billing.world import START
from tests.faults.books import breaches
from tests.faults.client import Client, event
from tests.faults.installation import eventually
from tests.faults.month import a_subscriber

ACKNOWLEDGED_BEFORE = 500


def stored() -> list[str]:
    return list(Event.objects.values_list("event_id", flat=True))


@pytest.fixture
def acme(installation):
    customer = a_subscriber("acme")
    set_clock(START + timedelta(days=20))
    return customer


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
def test_dying_around_the_commit_promises_nothing_and_breaks_nothing(installation, acme, api_key, moment):
    bodies = [event("lone"), [event(f"batch-{n}") for n in range(40)]]
    installation.web(failpoint=f"metering.{moment}:kill")
    with ThreadPoolExecutor(2) as threads:
        answers = [threads.submit(installation.post, body, api_key) for body in bodies]
    for answer in answers:
        assert isinstance(answer.exception(), OSError | HTTPException)
    kept = len(stored())
    assert kept in ({0} if moment == "before_commit" else {1, 40, 41})

    installation.web()
    told = [installation.post(body, api_key) for body in bodies]

    assert [status for status, _ in told] == [200, 200]
    assert sum(answer["duplicates"] for _, answer in told) == kept
    assert sorted(stored()) == sorted(["lone", *(f"batch-{n}" for n in range(40))])
    tasks.sweep_rating()
    assert breaches() == []


@pytest.mark.parametrize("who", ["one of its processes", "all of it"])
def test_killed_under_load_nothing_acknowledged_is_lost_or_doubled(installation, acme, api_key, who):
    web = installation.web()
    with Client(installation, api_key) as client:
        eventually(lambda: len(client.acknowledged) > ACKNOWLEDGED_BEFORE, "events flow")
        if who == "all of it":
            web.kill()
            installation.web()
        else:
            workers = [child for child in web.children() if not child.children()]
            random.choice(workers).kill()
        before = len(client.acknowledged)
        eventually(lambda: len(client.acknowledged) > before + ACKNOWLEDGED_BEFORE, "events flow again")

    kept = stored()
    assert len(kept) == len(set(kept))
    assert client.acknowledged <= set(kept)
    accepted, duplicates = client.send_all_again()
    sent = {one["id"] for events in client.sent for one in events}
    assert (accepted, duplicates) == (len(sent) - len(kept), len(kept))
    assert set(stored()) == sent and set(client.statuses) <= {200, 503}
    tasks.sweep_rating()
    assert breaches() == []
