"""What a plan's credits come to when the plan is put right."""

from datetime import timedelta

import pytest

from billing.credits.grants import credit_balance, void_grant
from billing.models import CreditGrant
from pricing.burn_tables import create_table
from tests.billing.recounts.test_plan_corrections import (
    APRIL,
    FEBRUARY,
    MARCH,
    WRONG,
    billed,
    carry,
    finish,
    meters,
    put_right,
    sell,
    two_months,
)
from tests.billing.test_path import breaches
from tests.billing.world import START, a_customer, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def a_table() -> None:
    meters()
    rates = [{"id": "in", "match": {"token_kind": "input"}, "credits": "1.7", "per": "1"}]
    create_table("standard", "Standard", rates, now=START - timedelta(days=1))


class TestCreditsOfACorrectedPlan:
    @pytest.mark.parametrize("granted", ["10", "55", "200"])
    def test_are_drawn_as_if_the_plan_had_been_right(self, granted, a_table):
        charges = [{"key": "over", "model": "credits", "burn_table": "standard", "unit_price": "0.10"}]
        terms = {**WRONG, "fee": "0", "charges": charges, "credit_grants": [{"amount": "40"}]}
        right = {**terms, "credit_grants": [{"amount": granted}]}
        wrong, other = sell(terms), sell({**right, "key": "right"})
        acme, twin = a_customer("acme"), a_customer("twin")
        for customer, version in ((acme, wrong), (twin, other)):
            subscribe(customer, version)
        two_months(acme, twin, until=FEBRUARY + timedelta(days=20))
        now = FEBRUARY + timedelta(days=20)

        carry(put_right(wrong, right, now), now)

        mine, theirs = (credit_balance(one.id, as_of=now) for one in (acme, twin))
        assert (mine.balance, mine.overage) == (theirs.balance, theirs.overage)
        finish(MARCH)
        finish(APRIL)
        assert billed(acme) == billed(twin)
        assert breaches() == []

    def test_stay_taken_back_where_a_person_took_them_back(self, a_table):
        terms = {**WRONG, "credit_grants": [{"amount": "40"}]}
        wrong = sell(terms)
        acme = a_customer()
        subscribe(acme, wrong)
        grant = CreditGrant.objects.get()
        void_grant(acme.id, grant.id, now=START + timedelta(days=1), reason="fraud")
        now = START + timedelta(days=2)

        carry(put_right(wrong, {**terms, "credit_grants": [{"amount": "400"}]}, now), now)

        assert CreditGrant.objects.get().amount == 40
