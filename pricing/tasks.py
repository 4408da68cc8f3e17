"""Pricing's one job: the daily reading of price lists."""

from typing import Any

from celery import shared_task
from django.conf import settings

from core import clock
from pricing.price_sync import sync_prices


@shared_task(name="pricing.sync_prices", ignore_result=True)
def sync_all(**kwargs: Any) -> None:
    """Read every price list. Lost or doubled without harm: the same content again changes nothing."""
    sync_prices(settings.PRICE_SYNC_URLS, now=clock.now())
