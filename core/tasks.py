"""The sweep: each minute, whatever is due is run, whether or not a nudge about it arrived."""

import time
from typing import Any
from uuid import uuid4

import structlog
from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from kombu.exceptions import OperationalError

from core import clock
from core.due_work import run_due

log = structlog.get_logger()

NUDGE_EXPIRES_SECONDS = 60
# After so many pieces the clock is read anew: leases count from then.
ROUND = 100
# A sweep lets the messages that wait behind it go first after so long; far less than a lease.
SWEEP_SECONDS = 10.0
# A place whose sweep is not heard of for so long is free: its process was killed, or its message was lost.
PLACE_SECONDS = 30


@shared_task(name="core.sweep", ignore_result=True)
def sweep(*, place: int = 0, run: str = "", **kwargs: Any) -> None:
    """Run what is due until nothing is, with as many processes as ``SWEEPS`` says.

    There are so many places, and a sweep takes one. Where it is held already, by one that is at it or on its way, a single
    round is enough: so messages never pile up, however long a run takes, and a place that was left behind holds nothing
    up. Who finds much due calls for the other places; who is at it for long sends itself on behind the messages that wait.
    """
    held = f"core.sweep.{place}"
    goes_on, run = bool(run), run or uuid4().hex
    holds = cache.add(held, run, PLACE_SECONDS) or (goes_on and cache.get(held) == run)
    until = time.monotonic() + SWEEP_SECONDS
    called = place != 0
    while ran := run_due(clock.now(), limit=ROUND).total():
        if not holds:
            return
        cache.set(held, run, PLACE_SECONDS)
        if not called and ran >= ROUND // 2:
            called = True
            for other in range(1, settings.SWEEPS):
                _send(sweep, place=other)
        if time.monotonic() >= until:
            _send(sweep, place=place, run=run)
            return
    if holds:
        cache.delete(held)


@shared_task(name="core.run_customer", ignore_result=True)
def run_customer(*, customer_id: int, **kwargs: Any) -> None:
    """Run what is due for one customer."""
    run_due(clock.now(), customer_id=customer_id)


def nudge_customer(customer_id: int) -> None:
    """Tell a worker that the customer has work due. Lost without harm: the sweep comes within a minute."""
    _send(run_customer, customer_id=customer_id)


def _send(task: Any, **said: Any) -> None:
    try:
        task.apply_async(kwargs=said, expires=NUDGE_EXPIRES_SECONDS, retry=False)
    except OperationalError as error:
        log.warning("nudge_lost", task=task.name, reason=str(error), **said)
