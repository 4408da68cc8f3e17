"""Credits: the published order of draws, overage only after the last grant, and a ledger that sums to zero."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing.credits.grants import NewGrant, credit_balance, grant_credits
from billing.models import CreditDraw, CreditGrant
from pricing.burn_tables import create_table
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, a_plan, call, subscribe, use

pytestmark = pytest.mark.django_db

RATES = [
    {"id": "in", "match": {"token_kind": "input"}, "credits": "1", "per": "100"},
    {"id": "out", "match": {"token_kind": "output"}, "credits": "5", "per": "100"},
]
OVERAGE = {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.02"}


def credit_world(**terms):
    acme = a_customer()
    create_table("standard", "Standard", RATES, now=START, effective_at=START)
    subscribe(acme, a_plan([OVERAGE], **terms))
    return acme


def give(customer, key, amount, **fields):
    return grant_credits(
        customer.id, NewGrant(key=key, amount=Decimal(amount), starts_at=START, **fields), now=START
    )


def test_draws_follow_priority_then_expiry_then_promotional_before_paid():
    acme = credit_world()
    give(acme, "paid", 10, category=CreditGrant.Category.PAID, cost_basis=Decimal("0.01"))
    give(acme, "promotional", 10)
    give(acme, "soon", 10, expires_at=START + timedelta(days=20))
    give(acme, "first", 10, priority=1, expires_at=START + timedelta(days=30))

    use(acme, call("e1", START + timedelta(days=1), usage={"input": 3500}))

    keys = dict(CreditGrant.objects.values_list("id", "key"))
    draws = [(keys.get(d.grant_id), d.credits) for d in CreditDraw.objects.order_by("seq", "n")]
    assert draws == [("first", 10), ("soon", 10), ("promotional", 10), ("paid", 5)]
    assert breaches() == []


def test_overage_comes_only_after_the_last_credit_and_is_priced():
    acme = credit_world(credit_grants=[{"amount": "30"}])

    use(acme, call("e1", START + timedelta(days=1), usage={"input": 1000, "output": 600}))

    balance = credit_balance(acme.id, as_of=START + timedelta(days=2))
    assert (balance.balance, balance.overage) == (0, 10)
    assert breaches() == []


def test_splitting_a_run_of_events_anywhere_gives_the_same_balances():
    acme = credit_world(credit_grants=[{"amount": "30"}])
    moment = START + timedelta(days=1)

    for n in range(5):
        use(acme, call(f"e{n}", moment + timedelta(minutes=n), usage={"input": 700}))

    balance = credit_balance(acme.id, as_of=moment + timedelta(days=1))
    assert (balance.balance, balance.overage) == (0, 5)
    assert CreditDraw.objects.filter(grant_id=None).count() == 1
    assert breaches() == []
