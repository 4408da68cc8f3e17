"""What became of an event that was sent."""

from enum import Enum

TOO_OLD_DETAIL = (
    "The customer's events of that time are no longer kept, so nobody can tell whether it was counted."
)


class Outcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNMATCHED = "unmatched"
    TOO_OLD = "too_old"
