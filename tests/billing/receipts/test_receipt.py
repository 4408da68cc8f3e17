"""Receipts: what one event was rated as, charge by charge."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.receipts.own_prices import prices_of_calls
from billing.receipts.receipt import receipt_of
from pricing.burn_tables import create_table
from tests.billing.world import START, a_customer, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db


def test_each_subscription_counts_the_credits_that_it_burns():
    acme = a_customer()
    for table, credits in (("chat", "1"), ("agents", "3")):
        rates = [{"id": "in", "match": {"token_kind": "input"}, "credits": credits, "per": "100"}]
        create_table(table, table.title(), rates, now=START, effective_at=START)
        charge = {"key": table, "model": "credits", "burn_table": table, "unit_price": "0.02"}
        subscribe(acme, a_plan([charge], key=table, name=table.title()), key=table)

    use(acme, call("e1", START + timedelta(days=1), usage={"input": 100}))

    receipt = receipt_of(acme, "e1")
    told = {part.charge: (part.quantity, part.price) for part in receipt.charges}
    assert told == {"chat": (1, Decimal("0.02")), "agents": (3, Decimal("0.06"))}
    assert (receipt.credits, receipt.price) == (4, Decimal("0.08"))
    seq = receipt.event.seq
    assert prices_of_calls(acme.id, [seq]) == {seq: Decimal("0.08")}
