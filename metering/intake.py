"""Taking in what a body held: storing what can be stored, and counting what became of it."""

from dataclasses import dataclass, field
from typing import Any

from core import limits
from core.http.credentials import Credential
from core.problems import Conflict, FieldError, Invalid, Problem
from core.remembered import remembered
from customers.models import Customer
from metering.arrivals import ACCEPTED, DUPLICATE, UNMATCHED, count_arrivals
from metering.deliveries import Delivery
from metering.events import store_events
from metering.group_commit import store_event
from metering.outcomes import TOO_OLD_DETAIL, Outcome
from metering.reading import Reading, Refusal
from metering.rejections import note_refusals

CONFLICT_DETAIL = (
    "This id and source, or this response_id, is stored with other content; nothing was changed."
)


class InFuture(Invalid):
    code = "in_future"
    title = "The event lies in the future"


class TooOld(Invalid):
    code = "too_old"
    title = "The event is too old"


REFUSALS: dict[str, type[Problem]] = {"conflict": Conflict, "in_future": InFuture, "too_old": TooOld}


@dataclass(slots=True)
class Intake:
    """What became of the events of one body.

    ``unmatched`` are accepted for a customer that is not known yet.
    """

    accepted: int = 0
    duplicates: int = 0
    unmatched: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "rejected": [refusal.as_json() for refusal in self.refusals],
        }
        return body | {"unmatched": self.unmatched} if self.unmatched else body


def take_in(reading: Reading, delivery: Delivery) -> Intake:
    """Store the events of one body. When this returns, what is accepted is committed."""
    if reading.lone and reading.events:
        outcomes = [store_event(reading.events[0], now=delivery.now)]
    else:
        outcomes = store_events(reading.events, now=delivery.now)
    intake = _intake_of(reading, outcomes)
    came = {
        ACCEPTED: intake.accepted - intake.unmatched,
        DUPLICATE: intake.duplicates,
        UNMATCHED: intake.unmatched,
    }
    count_arrivals(delivery.now, delivery.door, came)
    note_refusals(delivery, intake.refusals)
    return intake


def _intake_of(reading: Reading, outcomes: list[Outcome]) -> Intake:
    intake = Intake(refusals=list(reading.refusals))
    if outcomes.count(Outcome.ACCEPTED) == len(outcomes):
        intake.accepted = len(outcomes)
        return intake
    for position, event, outcome in zip(reading.positions, reading.events, outcomes, strict=True):
        if outcome is Outcome.CONFLICT:
            place = "id" if reading.lone else f"events[{position}].id"
            error = FieldError(place, "conflict", CONFLICT_DETAIL)
            intake.refusals.append(Refusal(position, event.id, (error,)))
        elif outcome is Outcome.TOO_OLD:
            place = "time" if reading.lone else f"events[{position}].time"
            error = FieldError(place, "too_old", TOO_OLD_DETAIL)
            intake.refusals.append(Refusal(position, event.id, (error,), event))
        elif outcome is Outcome.DUPLICATE:
            intake.duplicates += 1
        else:
            intake.accepted += 1
            intake.unmatched += outcome is Outcome.UNMATCHED
    intake.refusals.sort(key=lambda refusal: refusal.index)
    return intake


def problem_of(reading: Reading, intake: Intake) -> Problem | None:
    """The refusal of a body of which nothing was good; None where anything was."""
    if not intake.refusals or intake.accepted or intake.duplicates:
        return None
    errors = tuple(error for refusal in intake.refusals for error in refusal.errors)
    if not reading.lone:
        return Invalid("No event in the batch could be taken in.", errors, intake.as_json())
    return REFUSALS.get(errors[0].code, Invalid)(intake.refusals[0].detail, errors)


def customer_key_of(credential: Credential) -> str | None:
    """The key of the customer that the credential is bound to; None for an operator's, which may name any."""
    return None if credential.customer_id is None else _customer_key(credential.customer_id)


@remembered(limits.CUSTOMERS_REMEMBERED_MAX)
def _customer_key(customer_id: int) -> str:
    # A customer's key never changes, so it may be remembered for good.
    return Customer.objects.values_list("key", flat=True).get(id=customer_id)
