"""What became of an event that was sent."""

from enum import Enum


class Outcome(Enum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    UNMATCHED = "unmatched"
    TOO_OLD = "too_old"
