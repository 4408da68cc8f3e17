"""The demo at a small scale: every story is there, the books are clean, and a second call changes nothing."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import transaction

from billing.books.verify import verify_books
from billing.models import CreditDraw, CustomerDay, Invoice, InvoiceLine
from config.demo.ninety_days import NotEmpty, Scale, fill_demo
from core.models import DueWork
from core.remembered import forget_everything
from customers.api_keys import authenticate as key_holder
from customers.models import Customer, Member, User
from metering.models import Event
from pricing.models import PriceRow
from pricing.price_sources.packaged import import_packaged_prices

NOW = datetime(2026, 11, 21, 13, 5, tzinfo=UTC)
SMALL = Scale(customers=14, days=90, events=2_500)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_ninety_days_hold_every_story_and_leave_clean_books(tmp_path: Path) -> None:
    told: list[str] = []
    fill_demo(now=NOW, sign_ins=tmp_path / "demo.json", scale=SMALL, tell=told.append)

    assert [(name, found) for name, found in verify_books() if found] == []
    assert told[-1].startswith("14 customers, ")
    assert any(line.startswith("day 45 of 90") for line in told)
    assert Customer.objects.count() == 14
    assert not DueWork.objects.exclude(parked_at=None).exists()
    assert not DueWork.objects.filter(due_at__lte=NOW).exclude(kind="stripe.invoice").exists()
    _is_up_to_date()
    _stories_are_there()
    _sign_ins_open(json.loads((tmp_path / "demo.json").read_text()))

    before = Event.objects.count(), Invoice.objects.count(), User.objects.count()
    with pytest.raises(NotEmpty):
        fill_demo(now=NOW, sign_ins=tmp_path / "again.json", scale=SMALL)
    assert (Event.objects.count(), Invoice.objects.count(), User.objects.count()) == before
    assert not (tmp_path / "again.json").exists()


def _is_up_to_date() -> None:
    newest = Event.objects.order_by("-occurred_at").values_list("occurred_at", flat=True)[0]
    assert NOW - timedelta(days=1) < newest <= NOW
    assert Event.objects.filter(recorded_at__gt=NOW + timedelta(seconds=2)).count() == 0
    assert CustomerDay.objects.filter(day=NOW.date()).exists()


def _stories_are_there() -> None:
    ids = dict(Customer.objects.values_list("key", "id"))
    steps = Event.objects.filter(customer_id=ids["tessera"], run_id="run-nightly-migration")
    assert steps.count() > 500 and steps.filter(status="error").count() > steps.count() / 4
    assert PriceRow.objects.filter(layer=PriceRow.Layer.OPERATOR, model="claude-sonnet-4-5").count() == 3
    assert Event.objects.filter(model="grok-6", unpriced=True).count() == 70
    late = InvoiceLine.objects.get(customer_id=ids["saffron"], kind="correction")
    assert "late usage" in late.description
    assert InvoiceLine.objects.filter(customer_id=ids["juniper"], description__contains="Scale plan").exists()
    statuses = set(Invoice.objects.values_list("status", flat=True))
    assert {"paid", "finalized"} <= statuses
    assert Invoice.objects.filter(customer_id=ids["ostrava"], status="finalized", due_at__lt=NOW).exists()
    assert set(Customer.objects.values_list("currency", flat=True)) == {"USD", "EUR", "JPY"}
    # What customers paid by transfer is not asked for again through Stripe.
    open_invoices = Invoice.objects.filter(status="finalized").count()
    assert DueWork.objects.filter(kind="stripe.invoice").count() == open_invoices


def _sign_ins_open(sign_ins: dict[str, object]) -> None:
    console, portal = sign_ins["console"], sign_ins["portal"]
    assert isinstance(console, dict) and isinstance(portal, dict)
    operator = authenticate(None, email=console["email"], password=console["password"])
    owner = authenticate(None, email=portal["email"], password=portal["password"])
    assert operator is not None and operator.is_staff
    assert owner is not None and not owner.is_staff
    assert Member.objects.get(user=owner).customer.key == sign_ins["customer"] == "quillwork"
    assert key_holder(str(sign_ins["api_key"]), NOW) is not None


def test_the_largest_customers_use_more_than_they_paid_for(tmp_path: Path) -> None:
    fill_demo(now=NOW, sign_ins=tmp_path / "demo.json", scale=Scale(customers=4, days=40, events=8_000))
    ids = dict(Customer.objects.values_list("key", "id"))
    days = CustomerDay.objects.filter(customer_id=ids["hexaphase"])
    assert sum(day.cost for day in days) > sum(day.revenue for day in days)
    assert CreditDraw.objects.filter(customer_id=ids["quillwork"], grant_id=None).exists()


def test_two_demos_at_one_time_are_the_same(tmp_path: Path) -> None:
    import_packaged_prices(now=NOW - timedelta(days=10))
    tiny = Scale(customers=3, days=10, events=150)

    def made() -> list[tuple[object, ...]]:
        forget_everything()  # those of the demo before are gone with its transaction
        with transaction.atomic():
            fill_demo(now=NOW, sign_ins=tmp_path / "demo.json", scale=tiny)
            columns = ("event_id", "occurred_at", "model", "usage", "cost", "recorded_at")
            rows = list(Event.objects.order_by("customer_id", "seq").values_list(*columns))
            transaction.set_rollback(True)
        return rows

    first = made()
    assert len(first) > 100
    assert made() == first


def test_the_command_leaves_a_filled_database_as_it_is(customer_there: Customer) -> None:
    said = StringIO()
    call_command("demo", stdout=said)
    assert said.getvalue() == "The database holds customers already; nothing was changed.\n"
    assert list(Customer.objects.all()) == [customer_there]


def test_the_command_refuses_where_its_invoices_would_go_to_stripe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "STRIPE_API_KEY", "sk_test_somebody")
    with pytest.raises(CommandError, match="STRIPE_API_KEY is set"):
        call_command("demo")
    assert not Customer.objects.exists()


@pytest.fixture
def customer_there(db: None) -> Customer:
    return Customer.objects.create(key="acme", name="Acme", created_at=NOW)
