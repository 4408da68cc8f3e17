"""Moves of subscribers to another version of their plan: what one would mean for each, and what became of those made."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from billing.models import PlanMove, PlanMoveStep
from billing.plan_move_preview import LastPeriod, last_period
from billing.plan_moves import Candidate, step_status
from billing.rating import catch_up
from pricing.models import PlanVersion


@dataclass(frozen=True)
class MoveRow:
    """A move and how many subscriptions stand where: ``moved``, ``planned``, ``waiting``, ``refused``, ``cancelled``."""

    move: PlanMove
    counts: dict[str, int]

    @property
    def open(self) -> bool:
        """Whether anything of it has not taken effect yet."""
        return self.move.cancelled_at is None and bool(self.counts["planned"] or self.counts["waiting"])


@dataclass(frozen=True)
class CandidateRow:
    """A subscription that would move, and its last period by its own terms and by the new version."""

    candidate: Candidate
    last: LastPeriod | None

    @property
    def change_minor(self) -> int:
        return self.last.would_cost_minor - self.last.cost_minor if self.last else 0


def matching(found: Iterable[Candidate], words: str) -> list[Candidate]:
    """Those whose customer's name or key holds the words."""
    wanted = words.casefold()
    return [
        one
        for one in found
        if wanted in one.subscription.customer.name.casefold()
        or wanted in one.subscription.customer.key.casefold()
    ]


def candidate_rows(found: Sequence[Candidate], version: PlanVersion, now: datetime) -> list[CandidateRow]:
    """Each with its last period compared, by the usage known now."""
    for customer_id in {one.subscription.customer_id for one in found}:
        catch_up(customer_id, now)
    return [CandidateRow(one, None if one.refusal else last_period(one, version)) for one in found]


def plan_moves() -> QuerySet[PlanMove]:
    return PlanMove.objects.select_related("plan_version__plan")


def move_rows(moves: Sequence[PlanMove], now: datetime) -> list[MoveRow]:
    """The moves with their counts, in one query more."""
    counts: dict[UUID, dict[str, int]] = {
        move.id: dict.fromkeys(("moved", "planned", "waiting", "refused", "cancelled"), 0) for move in moves
    }
    steps = PlanMoveStep.objects.filter(move__in=counts)
    grouped = steps.values_list("move_id", "state").annotate(
        all=Count("customer_id"), over=Count("customer_id", filter=Q(at__lte=now))
    )
    for move_id, state, every, over in grouped:
        counts[move_id][step_status(state, now, now)] += over
        if every > over:
            counts[move_id][state] += every - over
    return [MoveRow(move, counts[move.id]) for move in moves]
