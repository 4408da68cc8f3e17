"""A re-rating that is asked for within the second in which another process has written a price."""

from decimal import Decimal

import pytest

from pricing.models import PriceRow
from pricing.price_book import current_book
from tests.billing.recounts.test_rerating import DAYS, correct, january_on_cost_plus

pytestmark = pytest.mark.django_db


def test_a_price_that_another_process_has_just_written_is_known() -> None:
    acme, _, now = january_on_cost_plus()
    current_book()  # this process believes for a second that it is the newest
    old = PriceRow.objects.get(model="m-1")
    kept = [field.name for field in PriceRow._meta.fields if field.name not in ("id", "price")]
    PriceRow.objects.create(**{name: getattr(old, name) for name in kept}, price=old.price / 2)
    _, found = correct(now, customer=acme)
    assert found["events"] == len(DAYS)
    assert Decimal(found["cost"]["after"]) * 2 == Decimal(found["cost"]["before"])
