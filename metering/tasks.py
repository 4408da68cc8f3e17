"""Metering's jobs."""

from typing import Any

from celery import shared_task

from core import clock
from metering.events import take_in_all_unmatched


@shared_task(name="metering.sweep_unmatched", ignore_result=True)
def sweep_unmatched(**kwargs: Any) -> None:
    """Take in what waits for a customer that exists by now: an event may just have missed its creation."""
    take_in_all_unmatched(now=clock.now())
