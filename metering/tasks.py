"""Metering's jobs."""

from typing import Any

import structlog
from celery import shared_task
from django.conf import settings

from core import clock
from metering.arrivals import forget_old_counts
from metering.events import take_in_all_unmatched
from metering.rejections import forget_old_rejections
from metering.unmatched import forget_old_unmatched

log = structlog.get_logger(__name__)


@shared_task(name="metering.sweep_unmatched", ignore_result=True)
def sweep_unmatched(**kwargs: Any) -> None:
    """Take in what waits for a customer that exists by now: an event may just have missed its creation."""
    take_in_all_unmatched(now=clock.now())


@shared_task(name="metering.forget_arrivals", ignore_result=True)
def forget_arrivals(**kwargs: Any) -> None:
    """Delete what is kept of arrivals beyond its time: refusals, unmatched events, counts by the minute."""
    now = clock.now()
    rejected = forget_old_rejections(now=now, days=settings.REJECTED_DAYS)
    unmatched = forget_old_unmatched(now=now, days=settings.UNMATCHED_DAYS)
    counts = forget_old_counts(now=now)
    if rejected or unmatched or counts:
        log.info("arrivals_forgotten", rejected=rejected, unmatched=unmatched, counts=counts)
