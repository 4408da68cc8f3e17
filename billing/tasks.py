"""Billing's jobs: rating when events have come, and what is due by the clock."""

from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from celery import shared_task
from django.db import transaction

from billing.burning import DRAW_DUE
from billing.credits.grants import EXPIRY_DUE, expire_grant
from billing.drafts import CORRECTION_DUE, FINALIZE_DUE, draft_correction, draft_start_invoice
from billing.invoices import finalize_invoice
from billing.ledger import lock_customer
from billing.margins import DAYS_DUE, refresh_days
from billing.models import Subscription
from billing.plan_moves import MOVE_DUE, step_is_due
from billing.rating import customers_behind, rate_pending
from billing.recounts.late_draws import draw_in_order
from billing.recounts.move_credits import CREDITS_MOVE, share_credits
from billing.recounts.repricing import customers_unpriced, price_again
from billing.recounts.rerating import APPLY_DUE, LOOK_DUE, apply_to, look_at
from billing.retention import REMOVAL_DUE, remove_old_events, schedule_removals
from billing.subscriptions.lifecycle import PERIOD_ENDS, STARTS
from core import clock
from core.due_work import Handler, Work
from customers.models import Customer

log = structlog.get_logger()

CUSTOMERS_A_SWEEP = 1_000
NUDGE_EXPIRES_SECONDS = 60


@shared_task(name="billing.rate_customers", ignore_result=True)
def rate_customers(*, customer_ids: list[int], **kwargs: Any) -> None:
    """Rate the customers' pending events. One that fails is logged and left to the sweep; the others go on."""
    for customer_id in customer_ids:
        try:
            rate_pending(customer_id, now=clock.now())
        except Exception:
            log.exception("rating.failed", customer_id=customer_id)


@shared_task(name="billing.sweep_rating", ignore_result=True)
def sweep_rating(**kwargs: Any) -> None:
    """Rate every customer whose events are ahead of its rating: what lost nudges left."""
    rate_customers(customer_ids=customers_behind(CUSTOMERS_A_SWEEP))


@shared_task(name="billing.sweep_unpriced", ignore_result=True)
def sweep_unpriced(**kwargs: Any) -> None:
    """Try the events that wait for a price, where the price book has grown since."""
    for customer_id in customers_unpriced(CUSTOMERS_A_SWEEP):
        try:
            price_again(customer_id, now=clock.now())
        except Exception:
            log.exception("repricing.failed", customer_id=customer_id)


@shared_task(name="billing.sweep_removals", ignore_result=True)
def sweep_removals(**kwargs: Any) -> None:
    """Have the events of every customer looked at that may be too old to keep."""
    schedule_removals(now=clock.now())


def nudge_rating(customer_ids: frozenset[int]) -> None:
    """Tell a worker that these customers have new events. A lost nudge costs up to a minute."""
    rate_customers.apply_async(
        kwargs={"customer_ids": sorted(customer_ids)}, expires=NUDGE_EXPIRES_SECONDS, retry=False
    )


def subscription_started(work: Work, now: datetime) -> datetime | None:
    """A subscription has started, or its trial has ended: a first fee in advance is invoiced at once."""
    rate_pending(work.customer_id, now=now)
    with transaction.atomic():
        lock_customer(work.customer_id)
        subscription = Subscription.objects.select_related("customer").get(
            customer_id=work.customer_id, id=UUID(work.key)
        )
        invoice = draft_start_invoice(subscription, now=now)
    if invoice is not None:
        finalize_invoice(work.customer_id, invoice.id, now=now)
    return None


def credits_move(work: Work, now: datetime) -> datetime | None:
    """A change of plan takes effect within a period: each plan's credits are for its own days."""
    rate_pending(work.customer_id, now=now)
    with transaction.atomic():
        lock_customer(work.customer_id)
        subscription = Subscription.objects.select_related("customer").get(
            customer_id=work.customer_id, id=UUID(work.key)
        )
        share_credits(subscription, now=now)
    return None


def correction_is_due(work: Work, now: datetime) -> datetime | None:
    """Events came after the last invoice of a subscription that has ended: they get one of their own."""
    rate_pending(work.customer_id, now=now)
    with transaction.atomic():
        lock_customer(work.customer_id)
        subscription = Subscription.objects.select_related("customer").get(
            customer_id=work.customer_id, id=UUID(work.key)
        )
        invoice = draft_correction(subscription, now=now)
    if invoice is not None:
        finalize_invoice(work.customer_id, invoice.id, now=now)
    return None


def days_are_due(work: Work, now: datetime) -> datetime | None:
    """The customer's revenue and cost by day are behind its usage."""
    refresh_days(Customer.objects.get(id=work.customer_id))
    return None


def period_ended(work: Work, now: datetime) -> datetime | None:
    """A subscription's period is over: rate what is stored, close it, open the next."""
    rate_pending(work.customer_id, now=now)
    return None


def draft_is_due(work: Work, now: datetime) -> datetime | None:
    """A draft's grace is over."""
    finalize_invoice(work.customer_id, UUID(work.key), now=now)
    return None


def grant_has_expired(work: Work, now: datetime) -> datetime | None:
    """A grant is past its expiry: events of its time are rated first, then the rest is booked as expired."""
    rate_pending(work.customer_id, now=now)
    expire_grant(work.customer_id, UUID(work.key), now=now)
    return None


def re_rating_looks(work: Work, now: datetime) -> datetime | None:
    """A customer of a re-rating has not been looked at yet."""
    look_at(work.customer_id, UUID(work.key), now=now)
    return None


def re_rating_applies(work: Work, now: datetime) -> datetime | None:
    """A customer of a re-rating that is being applied has not been corrected yet."""
    apply_to(work.customer_id, UUID(work.key), now=now)
    return None


def events_may_go(work: Work, now: datetime) -> datetime | None:
    """A customer's oldest events may be older than the installation keeps them."""
    return remove_old_events(work.customer_id, now=now)


HANDLERS: dict[str, Handler] = {
    STARTS: subscription_started,
    PERIOD_ENDS: period_ended,
    CREDITS_MOVE: credits_move,
    DRAW_DUE: draw_in_order,
    DAYS_DUE: days_are_due,
    FINALIZE_DUE: draft_is_due,
    CORRECTION_DUE: correction_is_due,
    EXPIRY_DUE: grant_has_expired,
    MOVE_DUE: step_is_due,
    LOOK_DUE: re_rating_looks,
    APPLY_DUE: re_rating_applies,
    REMOVAL_DUE: events_may_go,
}
