"""What a check of the books finds when an event's place and what it came to have come apart."""

import pytest
from msgspec import structs

from billing.books.usage_checks import richer_reports_are_due, withdrawn_events_count_nothing
from core.models import DueWork
from metering.models import Event, WithdrawnEvent
from pricing.burn_tables import create_table
from tests.billing.world import START, a_customer, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db
RESPONSE = "msg_01XFDUDYJgAACzvnptvVoYEL"


def test_a_richer_report_that_nobody_will_look_at_is_found():
    acme = a_customer()
    for source, usage in (("gateway", {"input": 9}), ("app", {"input": 4, "cache_read": 5})):
        event = call(source, START, usage=usage, response_id=RESPONSE)
        use(acme, structs.replace(event, source=source))
    assert list(richer_reports_are_due()) == []

    DueWork.objects.all().delete()

    assert [RESPONSE in breach.detail for breach in richer_reports_are_due()] == [True]


def test_a_draw_of_an_event_that_was_taken_back_is_found():
    acme = a_customer()
    create_table("standard", "Standard", [{"id": "all", "match": {}, "credits": "1"}], now=START)
    subscribe(acme, a_plan([{"key": "c", "model": "credits", "burn_table": "standard", "unit_price": "1"}]))
    use(acme, call("e1", START))
    event = Event.objects.get()
    place = {"customer_id": acme.id, "seq": event.seq, "event_id": event.event_id, "source": event.source}
    WithdrawnEvent.objects.create(**place, occurred_at=START, stored={}, withdrawn_at=START)
    assert list(withdrawn_events_count_nothing()) == []  # it is stored again

    Event.objects.all().delete()

    assert [breach.detail for breach in withdrawn_events_count_nothing()] == [
        "event e1 was taken back, its draws of 1.000000000000000000 credits stand"
    ]
