"""One call told by several programs, of which the one that comes later tells more."""

from collections.abc import Callable
from typing import Any

import pytest

from billing.retention import schedule_removals
from core import clock
from core.models import DueWork
from metering.models import Event, EventStream, RicherReport, WithdrawnEvent
from tests.billing.scenarios.diary import Diary
from tests.metering.formats.otlp_exports import CALL, export, span

pytestmark = pytest.mark.django_db

NEW_YEAR_2027 = 1_798_761_600
RESPONSE = "msg_01XFDUDYJgAACzvnptvVoYEL"
POOR = {"input": 2000, "output": 300}
RICH = {"input": 80, "cache_read": 1920, "output": 200, "reasoning": 100}
CHARGES: list[dict[str, Any]] = [
    {"key": "fresh", "meter": "fresh", "model": "per_unit", "unit_price": "0.01"},
    {"key": "cached", "meter": "cached", "model": "per_unit", "unit_price": "0.001"},
    {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.02"},
]
RATES = [
    {"id": "cached", "match": {"token_kind": "cache_read"}, "credits": "1", "per": "1000"},
    {"id": "rest", "match": {"token_kind": "tokens"}, "credits": "10", "per": "1000"},
]


@pytest.fixture(params=["all adds up", "with a peak"])
def book(diary: Callable[[str], Diary], request: pytest.FixtureRequest) -> Diary:
    """Acme's calls are told twice; its twin's once, by the richer report alone.

    A largest value cannot be taken off: with one, the period is counted again.
    """
    book = diary("2027-01-01")
    book.meter("fresh", value="usage.input")
    book.meter("cached", value="usage.cache_read")
    table = {"key": "standard", "name": "Standard", "rates": RATES, "effective_at": "2026-01-01T00:00:00Z"}
    book.post("/v1/burn-tables", table)
    book.meter("peak", "max", value="usage.input")
    peak = {"key": "peak", "meter": "peak", "model": "per_unit", "unit_price": "0.001"}
    charges = CHARGES if request.param == "all adds up" else [*CHARGES, peak]
    book.plan("pool", charges, credit_grants=[{"amount": "15"}])
    for customer in ("acme", "twin"):
        book.customer(customer)
        book.subscribe("pool", customer)
    return book


def report(book: Diary, usage: dict[str, int], *, source: str, customer: str = "acme", **fields: Any) -> None:
    book.use(customer, source=source, response_id=RESPONSE, usage=usage, **fields)


def bill(book: Diary, customer: str) -> list[tuple[str, str, int]]:
    return [
        (line["charge"], line["quantity"], line["amount_minor"]) for line in book.spend(customer)["lines"]
    ]


def test_in_an_open_period_nothing_of_the_poorer_report_is_left(book: Diary) -> None:
    report(book, POOR, source="gateway")
    assert book.credits()["balance"] == "0"
    report(book, RICH, source="app")
    report(book, RICH, source="app", customer="twin")
    book.use(usage={"input": 100})
    book.use("twin", usage={"input": 100})
    book.on("2027-01-01T00:10:00Z")
    assert Event.objects.filter(source="gateway").count() == RicherReport.objects.count() == 0
    assert bill(book, "acme") == bill(book, "twin")
    assert book.credits()["balance"] == book.credits("twin")["balance"] == "8.28"
    book.books_are_clean()


def test_its_receipt_says_what_took_its_place(book: Diary) -> None:
    report(book, POOR, source="gateway")
    report(book, RICH, source="app")
    book.on("2027-01-01T00:10:00Z")
    poorer = WithdrawnEvent.objects.get()
    receipt = book.get(f"/v1/events/{poorer.event_id}/receipt", customer="acme")
    assert receipt["status"] == "withdrawn"
    richer = Event.objects.get()
    assert receipt["withdrawn"]["replaced_by"] == {"id": richer.event_id, "source": "app"}


def test_in_an_invoiced_period_the_difference_comes_on_the_next_invoice(book: Diary) -> None:
    report(book, POOR, source="gateway")
    report(book, RICH, source="app", customer="twin")
    book.on("2027-02-10")
    january = book.invoices()[0]
    report(book, RICH, source="app", time="2027-01-01T00:00:00Z")
    book.on("2027-03-01T03:00:00Z")
    assert book.invoices()[0] == january
    assert sum(total for _, total in book.totals()) == sum(total for _, total in book.totals("twin"))
    corrections = [line for line in book.invoices()[1]["lines"] if line["kind"] == "correction"]
    told = {line["charge"]: line["amount_minor"] for line in corrections}
    assert {**told, "peak": -192} == {"fresh": -1920, "cached": 192, "overage": -16, "peak": -192}
    for line in corrections:
        assert line["description"].endswith(", fuller reports of calls of the period from 1 Jan 2027")
    change = next(step for step in corrections[0]["explain"] if step["kind"] == "change")
    assert (change["text"], change["amount"]) == (
        "Billed 20.00 before → 0.80 now, for 2000 → 80 used",
        "-19.2",
    )
    book.books_are_clean()


def test_what_several_programs_tell_of_many_calls_ends_like_the_richest_alone(book: Diary) -> None:
    for n in range(6):
        own = {"response_id": f"{RESPONSE}-{n}"}
        told = [("gateway", POOR), ("trace", {"input": 2000, "output": 200, "reasoning": 100}), ("app", RICH)]
        for source, usage in told[n % 3 :] + told[: n % 3]:
            book.use(source=source, usage=usage, **own)
        book.use("twin", source="app", usage=RICH, **own)
    book.on("2027-01-01T01:00:00Z")
    assert bill(book, "acme") == bill(book, "twin")
    assert [book.credits(one)["balance"] for one in ("acme", "twin")] == ["0", "0"]
    assert book.credits()["overage"] == book.credits("twin")["overage"] == "19.32"
    book.books_are_clean()


def test_told_better_and_better_it_ends_like_the_best_alone(book: Diary) -> None:
    """OpenTelemetry's emitters name a call alike, so that each report has the id and source of the one before."""
    by_the_call(book, "gpt-5")
    better = {"input": 2000, "output": 200, "reasoning": 100}
    for minute, usage in ((5, POOR), (15, better), (25, RICH)):
        book.on(f"2027-01-01T00:{minute:02}:00Z")
        report_span(book, usage)
    book.on("2027-01-01T00:35:00Z")
    assert not DueWork.objects.filter(attempt__gt=0).exists()
    assert Event.objects.get().usage == {name: str(count) for name, count in RICH.items()}
    assert book.credits("beta")["overage"] == "1"
    book.books_are_clean()


def by_the_call(book: Diary, model: str) -> None:
    """Beta pays a credit for each call of the model, and has no credits."""
    rates = [{"id": "known", "match": {"model": [model]}, "credits": "1"}]
    table = {"key": "strict", "name": "Strict", "rates": rates, "effective_at": "2026-01-01T00:00:00Z"}
    book.post("/v1/burn-tables", table)
    book.plan("strict", [{"key": "c", "model": "credits", "burn_table": "strict", "unit_price": "1"}])
    book.customer("beta")
    book.subscribe("strict", "beta")


def report_span(book: Diary, usage: dict[str, int]) -> None:
    told = {
        "gen_ai.usage.input_tokens": usage["input"] + usage.get("cache_read", 0),
        "gen_ai.usage.output_tokens": usage["output"] + usage.get("reasoning", 0),
        "gen_ai.usage.cache_read.input_tokens": usage.get("cache_read"),
        "gen_ai.usage.reasoning.output_tokens": usage.get("reasoning"),
        "gen_ai.response.id": RESPONSE,
        "gen_ai.response.model": "gpt-5",
        "customer.id": "beta",
    }
    book.post("/v1/traces", export(span(CALL | told, startTimeUnixNano=str(NEW_YEAR_2027 * 10**9))))


def test_where_its_period_is_no_longer_kept_the_first_report_stands(book: Diary, settings: Any) -> None:
    """Of a second subscription's period, which began before the first one's, some events are removed already."""
    book.on("2027-01-15")
    book.plan("side", [CHARGES[0]])
    book.subscribe("side", key="side")
    book.on("2027-02-05")
    report(book, POOR, source="gateway")
    settings.KEEP_EVENTS_MONTHS = 1
    book.on("2027-03-25")
    schedule_removals(now=clock.now())
    book.on("2027-03-25T00:10:00Z")
    assert (
        str(EventStream.objects.get(kept_since__gte="2027-01-01T00:00:00Z").kept_since)[:10] == "2027-02-01"
    )
    report(book, RICH, source="app", time="2027-02-05T00:00:00Z")
    book.on("2027-03-25T01:00:00Z")
    assert not DueWork.objects.exclude(parked_at=None).exists()
    assert [event.source for event in Event.objects.all()] == [
        "gateway"
    ] and not RicherReport.objects.exists()
    report(book, RICH, source="app", time="2027-02-05T00:00:00Z")
    book.books_are_clean()


def test_a_grant_that_comes_later_covers_what_the_richer_report_burnt(book: Diary) -> None:
    for customer, sources in (("acme", ("gateway", "app")), ("twin", ("app",))):
        for source in sources:
            usage = POOR if source == "gateway" else RICH
            report(
                book, {name: 10 * count for name, count in usage.items()}, source=source, customer=customer
            )
    book.on("2027-01-01T00:10:00Z")
    for customer in ("acme", "twin"):
        grant = {"customer": customer, "amount": "100", "starts_at": "2027-01-01T00:00:00Z"}
        book.post("/v1/credit-grants", grant)
        book.use(customer, usage={"input": 400})
    assert bill(book, "acme") == bill(book, "twin")
    assert book.credits()["overage"] == book.credits("twin")["overage"]
    book.books_are_clean()


def test_a_model_that_no_rate_names_waits_for_one(book: Diary) -> None:
    by_the_call(book, "m-1")
    for unit in RICH:
        book.post("/v1/prices", {"provider": "acme-ai", "model": "m-2", "unit": unit, "price": "0.001"})
    book.on("2027-01-01T12:00:00Z")
    report(book, POOR, source="gateway", customer="beta", model="m-1", provider="acme-ai")
    report(book, RICH, source="app", customer="beta", model="m-2", provider="acme-ai")
    book.on("2027-01-01T12:10:00Z")
    richer = Event.objects.get(source="app")
    assert richer.cost > 0 and richer.unpriced
    book.books_are_clean()
