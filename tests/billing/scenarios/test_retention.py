"""Single events are removed when they are older than the installation keeps them; what they came to stays."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from billing.recounts.repricing import price_again
from billing.retention import remove_old_events, schedule_removals
from core import clock
from customers.models import Customer
from metering import removal
from metering.models import Event, EventRemoval, ReportedCall
from tests.billing.scenarios.diary import Diary
from tests.conftest import an_api

pytestmark = pytest.mark.django_db

CHARGE = {"key": "tokens", "meter": "output", "model": "per_unit", "unit_price": "0.01"}
CREDITS = {"key": "over", "model": "credits", "burn_table": "standard", "unit_price": "0.01"}
MODEL = {"provider": "acme-ai", "model": "one"}
RATES = [{"id": "out", "match": {"token_kind": "output"}, "credits": "1", "per": "100"}]


@pytest.fixture(autouse=True)
def three_months(settings: Any) -> None:
    settings.KEEP_EVENTS_MONTHS = 3


@pytest.fixture(scope="module")
def four_months(made_for_the_module: None) -> Diary:
    book = Diary.opened(an_api(), "2027-01-01")
    book.customer()
    book.meter("output", value="usage.output")
    book.post(
        "/v1/burn-tables", {"key": "standard", "name": "Standard", "rates": RATES, "effective_at": book.today}
    )
    book.post("/v1/prices", {**MODEL, "unit": "output", "price": "0.001"})
    book.plan("pro", [CHARGE, CREDITS], credit_grants=[{"amount": "5"}])
    book.subscribe("pro")
    for month in (1, 2, 3, 4):
        book.on(f"2027-{month:02}-10")
        book.use(usage={"output": 1000 * month}, **MODEL)
    book.on("2027-05-03")
    return book


@pytest.fixture
def spring(four_months: Diary, db: None) -> Diary:
    """A customer with one event a month from January to April, at the beginning of May; nothing is removed yet."""
    return four_months.again()


def remove(book: Diary) -> None:
    """Let the sweep find the customer, and its work be done a minute later."""
    schedule_removals(now=clock.now())
    at = datetime.fromisoformat(book.today) + timedelta(minutes=1)
    book.on(at.strftime("%Y-%m-%dT%H:%M:%SZ"))


def event_of(book: Diary, id: str, time: str, **fields: Any) -> dict[str, Any]:
    body = {"id": id, "source": "diary", "customer": "acme", "type": "llm.call", "time": time}
    return body | {"usage": {"output": 1000}} | MODEL | fields


def kept() -> list[str]:
    return list(Event.objects.order_by("seq").values_list("event_id", flat=True))


def test_what_lies_in_periods_older_than_the_policy_goes_and_every_sum_stays(spring: Diary) -> None:
    spend, credits = spring.spend(), spring.credits()["balance"]
    invoices = [spring.get(f"/v1/invoices/{one['id']}") for one in spring.invoices()]
    ledger = spring.get("/v1/customers/acme/credits/ledger")

    remove(spring)

    # The policy's edge is 3 February: that month's period is not older as a whole, so it stays.
    assert kept() == ["e2", "e3", "e4"]
    assert [spring.get(f"/v1/invoices/{one['id']}") for one in spring.invoices()] == invoices
    assert spring.get("/v1/customers/acme/credits/ledger") == ledger
    assert spring.credits()["balance"] == credits
    assert spring.spend()["lines"] == spend["lines"]
    noted = EventRemoval.objects.get()
    assert (noted.events, noted.last_seq) == (1, 1)
    assert noted.kept_since == datetime(2027, 2, 1, tzinfo=UTC)
    spring.books_are_clean()


def test_no_event_of_a_removed_time_comes_in_again(spring: Diary) -> None:
    remove(spring)
    again = spring.api.post("/v1/events", event_of(spring, "e1", "2027-01-10T00:00:00Z"))
    assert (again.status_code, again.json()["code"]) == (422, "too_old")
    batch = spring.api.post(
        "/v1/events",
        [
            event_of(spring, "e1", "2027-01-10T00:00:00Z"),
            event_of(spring, "other", "2027-01-31T23:59:59Z"),
            event_of(spring, "e2", "2027-02-10T00:00:00Z", usage={"output": 2000}),
            event_of(spring, "late", "2027-02-01T00:00:00Z"),
        ],
    ).json()
    assert (batch["accepted"], batch["duplicates"]) == (1, 1)
    assert [(one["index"], one["code"]) for one in batch["rejected"]] == [(0, "too_old"), (1, "too_old")]
    spring.on("2027-06-02")
    spring.books_are_clean()


def test_an_id_whose_event_is_gone_names_a_new_event_at_a_new_time(spring: Diary) -> None:
    remove(spring)
    fresh = spring.api.post("/v1/events", event_of(spring, "e1", spring.today))
    assert fresh.json()["accepted"] == 1
    spring.on("2027-06-02")
    spring.books_are_clean()


def test_whoever_asks_for_removed_events_is_told_so(spring: Diary) -> None:
    january, february = spring.invoices()[:2]
    remove(spring)
    assert spring.api.get("/v1/events/e1/receipt").status_code == 404
    assert spring.get("/v1/events/e2/receipt")["status"] == "rated"
    gone = spring.api.get(f"/v1/invoices/{january['id']}/lines/1/events")
    assert (gone.status_code, gone.json()["code"]) == (410, "gone")
    assert len(spring.get(f"/v1/invoices/{february['id']}/lines/1/events")["results"]) == 1


def test_nothing_is_counted_again_from_a_time_whose_events_are_gone(spring: Diary) -> None:
    remove(spring)
    january = {"from": "2027-01-01T00:00:00Z", "to": "2027-05-01T00:00:00Z", "reason": "test"}
    for customer in ({"customer": "acme"}, {}):
        refused = spring.api.post("/v1/re-ratings", january | customer, idempotency_key=f"k{len(customer)}")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["code"] == "not_kept"
    since = january | {"from": "2027-02-01T00:00:00Z", "customer": "acme"}
    assert spring.api.post("/v1/re-ratings", since, idempotency_key="since").status_code == 201
    backdated = {"customer": "acme", "plan": "pro", "key": "two", "starts_at": "2027-01-05T00:00:00Z"}
    refused = spring.api.post("/v1/subscriptions", backdated, idempotency_key="sub")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "starts_at")


def test_a_grant_from_before_the_mark_covers_only_what_is_still_known(spring: Diary) -> None:
    remove(spring)
    before = Decimal(spring.credits()["balance"])
    grant = {"customer": "acme", "key": "gift", "amount": "100", "starts_at": "2027-01-01T00:00:00Z"}
    spring.post("/v1/credit-grants", grant)
    assert Decimal(spring.credits()["balance"]) == before + 100, "what overage there was is invoiced"
    spring.books_are_clean()


def test_a_period_that_something_came_into_late_stays_until_it_is_corrected(spring: Diary) -> None:
    spring.use(time="2027-01-20T00:00:00Z", usage={"output": 7}, **MODEL)
    remove(spring)
    assert "e1" in kept()
    spring.on("2027-06-02")
    remove(spring)
    assert kept() == ["e3", "e4", "e5"], "e5 was stored after events that stay"
    spring.books_are_clean()


def test_an_event_that_waits_for_a_price_stays_and_the_others_go(spring: Diary) -> None:
    waiting = spring.use(usage={"output": 1}, provider="acme-ai", model="unknown")
    spring.on("2027-09-03")
    remove(spring)
    assert kept() == [waiting]
    spring.books_are_clean()
    price = {"provider": "acme-ai", "model": "unknown", "unit": "output", "price": "1"}
    price["effective_from"] = "2027-01-01T00:00:00Z"
    spring.post("/v1/prices", price)
    price_again(Customer.objects.get(key="acme").id, now=clock.now())
    spring.on("2027-11-03")
    remove(spring)
    assert kept() == []
    spring.books_are_clean()


def test_killed_half_way_it_goes_on_where_it_was(spring: Diary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "BATCH_EVENTS", 1)
    spring.on("2027-07-03")
    customer_id = Customer.objects.get(key="acme").id
    batches = iter(["first", "killed"])

    def failing(point: str) -> None:
        if point == "metering.removal.before_commit" and next(batches) == "killed":
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(removal, "failpoint", failing)
        remove_old_events(customer_id, now=clock.now())
    assert kept() == ["e2", "e3", "e4"]
    spring.books_are_clean()
    remove_old_events(customer_id, now=clock.now())
    assert kept() == ["e4"]
    assert EventRemoval.objects.get().events == 3
    spring.books_are_clean()


def test_without_a_policy_events_are_kept_for_ever(spring: Diary, settings: Any) -> None:
    settings.KEEP_EVENTS_MONTHS = 0
    spring.on("2028-05-03")
    remove(spring)
    assert remove_old_events(Customer.objects.get(key="acme").id, now=clock.now()) is None
    assert kept() == ["e1", "e2", "e3", "e4"]


def test_calls_are_forgotten_with_the_events_that_count_them(spring: Diary) -> None:
    """A provider's id of a call is as personal as the call."""
    for month in ("05", "08"):
        spring.on(f"2027-{month}-11")
        spring.use(usage={"output": 100}, response_id=f"msg_of_month_{month}", **MODEL)
    spring.on("2027-09-03")

    remove(spring)

    assert list(ReportedCall.objects.values_list("response_id", flat=True)) == ["msg_of_month_08"]
    spring.books_are_clean()
