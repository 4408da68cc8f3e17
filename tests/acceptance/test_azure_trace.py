"""A real trace through the REST door, on a plan of four kinds of line, against a sum straight from the file.

The expected numbers are added up here in ``Fraction`` from the CSV and share no code with the product.
"""

import csv
import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from billing.books.verify import verify_books
from billing.credits.grants import credit_balance
from billing.models import CreditDraw, CreditGrant, Invoice, InvoiceLine
from billing.rating import rate_pending
from core.due_work import run_due
from core.sandbox import set_clock
from customers.models import Customer
from pricing.burn_tables import create_table
from pricing.models import PriceRow, PriceSnapshot
from tests.acceptance.shared import shared
from tests.billing.world import a_customer, a_meter, a_plan, subscribe

pytestmark = pytest.mark.django_db

START = datetime(2026, 1, 1, tzinfo=UTC)
CLOSED = datetime(2026, 2, 1, 3, tzinfo=UTC)
BATCH = 500
INPUT_PRICE, OUTPUT_PRICE = Fraction(3, 10**6), Fraction(15, 10**6)


def rows() -> list[tuple[int, int]]:
    with shared("traces/AzureLLMInferenceTrace_conv.csv").open() as file:
        return [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(file)]


def a_price_book() -> None:
    """Two prices of a made-up model, so that the expected cost is plain."""
    snapshot = PriceSnapshot.objects.create(
        source="operator", version="1", sha256="0" * 64, content=[], status="applied", taken_at=START
    )
    for unit, price in (("input", "0.000003"), ("output", "0.000015")):
        PriceRow.objects.create(
            provider="acme-ai",
            model="conv-1",
            unit=unit,
            price=price,
            effective_from=datetime(2020, 1, 1, tzinfo=UTC),
            layer=PriceRow.Layer.OPERATOR,
            snapshot=snapshot,
            recorded_at=START,
        )


def send(api, trace: list[tuple[int, int]]) -> dict[str, int]:
    """Post the whole trace, 500 a batch, one call a minute."""
    told = {"accepted": 0, "duplicates": 0}
    for first in range(0, len(trace), BATCH):
        events = [
            {
                "id": f"call-{first + n}",
                "source": "trace",
                "customer": "acme",
                "type": "llm.call",
                "time": (START + timedelta(minutes=first + n)).isoformat(),
                "provider": "acme-ai",
                "model": "conv-1",
                "usage": {"input": context, "output": generated},
            }
            for n, (context, generated) in enumerate(trace[first : first + BATCH])
        ]
        answer = api.post("/v1/events", json.dumps({"events": events}).encode())
        assert answer.status_code == 200, answer.content
        body = answer.json()
        assert body["rejected"] == []
        told = {name: told[name] + body[name] for name in told}
    return told


def half_away(amount: Fraction) -> int:
    """Cents of a positive amount of dollars."""
    return int(amount * 100 + Fraction(1, 2))


def graduated(quantity: int) -> Fraction:
    tiers = [(1_000_000, Fraction(0)), (3_000_000, Fraction(1, 10**5)), (None, Fraction(8, 10**6))]
    total, lower = Fraction(0), 0
    for upper, price in tiers:
        top = quantity if upper is None else min(quantity, upper)
        total += max(0, top - lower) * price
        lower = upper or lower
    return total


CHARGES = [
    {"key": "input", "meter": "input", "model": "per_unit", "unit_price": "0.000004", "included": "5000000"},
    {
        "key": "output",
        "meter": "output",
        "model": "graduated",
        "tiers": [
            {"up_to": "1000000", "unit_price": "0"},
            {"up_to": "3000000", "unit_price": "0.00001"},
            {"up_to": None, "unit_price": "0.000008"},
        ],
    },
    {"key": "premium", "meter": "calls", "model": "cost_plus", "markup": "0.20", "margin_floor": "0.25"},
]


def expected_lines(trace: list[tuple[int, int]]) -> list[tuple[str, int]]:
    context = sum(row[0] for row in trace)
    generated = sum(row[1] for row in trace)
    cost = context * INPUT_PRICE + generated * OUTPUT_PRICE
    # The floor of 25 % asks for cost / 0.75, which is more than a markup of 20 %.
    premium = max(cost * Fraction(6, 5), cost / Fraction(3, 4))
    return [
        ("input", half_away(max(0, context - 5_000_000) * Fraction(4, 10**6))),
        ("output", half_away(graduated(generated))),
        ("premium", half_away(premium)),
        ("", 4900),
    ]


@pytest.fixture
def acme(api_with_key) -> tuple[Customer, object]:
    set_clock(START + timedelta(days=20))
    a_price_book()
    customer = a_customer()
    a_meter("input", "usage.input")
    a_meter("output", "usage.output")
    a_meter("calls", aggregation="count")
    return customer, api_with_key(["ingest"])


def close(customer: Customer) -> Invoice:
    set_clock(CLOSED)
    for _ in range(3):
        run_due(CLOSED)
    return Invoice.objects.get(customer=customer, kind="period")


def lines_of(invoice: Invoice) -> list[tuple[str, int]]:
    lines = InvoiceLine.objects.filter(invoice_id=invoice.id).order_by("n")
    return [(line.charge, line.amount_minor) for line in lines]


def broken() -> list[str]:
    return [breach.detail for _, found in verify_books() for breach in found]


def test_the_invoice_equals_the_file_line_by_line_though_it_was_sent_twice(acme):
    customer, api = acme
    trace = rows()
    subscribe(customer, a_plan(CHARGES, fee="49.00", fee_timing="arrears"), at=START)

    assert send(api, trace) == {"accepted": len(trace), "duplicates": 0}
    assert send(api, trace) == {"accepted": 0, "duplicates": len(trace)}
    invoice = close(customer)
    assert lines_of(invoice) == expected_lines(trace)
    assert invoice.total_minor == sum(amount for _, amount in expected_lines(trace))
    assert broken() == []


def test_credits_are_drawn_in_the_published_order_and_overage_comes_last(acme):
    customer, api = acme
    trace = rows()
    rates = [
        {"id": "in", "match": {"token_kind": "input"}, "credits": "1", "per": "1000"},
        {"id": "out", "match": {"token_kind": "output"}, "credits": "4", "per": "1000"},
    ]
    create_table("standard", "Standard", rates, now=START, effective_at=START)
    overage = {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.01"}
    grants = [{"amount": "9000", "priority": 5}, {"amount": "8000", "priority": 1}]
    subscribe(customer, a_plan([overage], fee="0", credit_grants=grants), at=START)

    send(api, trace)
    rate_pending(customer.id, now=START + timedelta(days=21))

    burnt = sum(Fraction(context, 1000) + Fraction(4 * generated, 1000) for context, generated in trace)
    priorities = dict(CreditGrant.objects.values_list("id", "priority"))
    order = [priorities.get(draw.grant_id, 99) for draw in CreditDraw.objects.order_by("seq", "n")]
    assert order == sorted(order), "a draw came before one of a better grant"
    balance = credit_balance(customer.id, as_of=START + timedelta(days=22))
    assert balance.balance == 0
    assert Fraction(balance.overage) == burnt - 17_000
    invoice = close(customer)
    assert lines_of(invoice) == [("overage", half_away((burnt - 17_000) / 100))]
    assert broken() == []


def test_the_trace_is_the_published_one():
    path: Path = shared("traces/AzureLLMInferenceTrace_conv.csv")
    assert len(rows()) == 19_366, path
