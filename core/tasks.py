"""The sweep: each minute, whatever is due is run, whether or not a nudge about it arrived."""

from typing import Any

import structlog
from celery import shared_task
from kombu.exceptions import OperationalError

from core import clock
from core.due_work import run_due

log = structlog.get_logger()

NUDGE_EXPIRES_SECONDS = 60


@shared_task(name="core.sweep", ignore_result=True)
def sweep(**kwargs: Any) -> None:
    """Run what is due. Two sweeps at once share the work: each row is claimed by one."""
    run_due(clock.now())


@shared_task(name="core.run_customer", ignore_result=True)
def run_customer(*, customer_id: int, **kwargs: Any) -> None:
    """Run what is due for one customer."""
    run_due(clock.now(), customer_id=customer_id)


def nudge_customer(customer_id: int) -> None:
    """Tell a worker that the customer has work due. Lost without harm: the sweep comes within a minute."""
    try:
        run_customer.apply_async(
            kwargs={"customer_id": customer_id}, expires=NUDGE_EXPIRES_SECONDS, retry=False
        )
    except OperationalError as error:
        log.warning("nudge_lost", customer_id=customer_id, reason=str(error))
