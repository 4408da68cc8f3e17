"""``/v1/plans/{key}/versions/{number}/move`` and ``/v1/plan-moves``: subscribers put on another version of their plan."""

from collections import Counter
from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.rendering import period_json
from billing.api.terms_schema import MovePreviewSchema, MoveSchema, MoveStepSchema, NewMoveSchema
from billing.models import PlanMove, PlanMoveStep
from billing.plan_move_preview import LastPeriod, last_period
from billing.plan_moves import (
    MOVE_DUE,
    Candidate,
    NewMove,
    cancel_move,
    candidates,
    move_subscribers,
    step_status,
    steps_of,
)
from billing.rating import catch_up
from billing.reading import NEXT_PERIOD, read_move
from core import limits
from core.clock import now
from core.due_work import run_due
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView
from core.idempotency import Answer
from core.ids import parse_public_id, public_id
from core.money import from_minor
from core.problems import NotFound
from core.times import render_time
from pricing.plans import version_of

DRY_RUN = OpenApiParameter("dry_run", OpenApiTypes.BOOL, description="only say what would happen, and cost")
EXAMPLE = OpenApiExample(
    "everybody, with the next period", {"who": "all", "when": "next_period"}, request_only=True
)


class MoveView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="Move subscribers to a version",
        description=(
            "Subscriptions keep the version they have until somebody moves them. With `dry_run` nothing is stored, and each "
            "subscription is told with what its last period would have cost."
        ),
        operation_id="movePlanSubscribers",
        parameters=[IDEMPOTENCY_KEY, DRY_RUN],
        request=NewMoveSchema,
        responses={200: MovePreviewSchema, 201: MoveSchema, **refusals(404, 409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request, key: str, number: int) -> Response:
        query = query_of(request)
        dry_run = query.flag("dry_run", False)
        query.done()
        at = now()
        new = read_move(Fields(request.data), version_of(key, number), at)
        if dry_run:
            return Response(preview_json(new, candidates(new), at))

        def move() -> Answer:
            return Answer(201, move_json(move_subscribers(new, now=at), at))

        response = answer_once(request, move, now=at)
        if _carry_out(at):
            response.data = move_json(_move(response.data["id"]), at)
        return response


class MovesView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["catalogue"],
        summary="List moves",
        description="Newest first.",
        operation_id="listPlanMoves",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("PlanMovePage", MoveSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        at = now()
        rows = PlanMove.objects.select_related("plan_version__plan")
        return Response(
            page_of(rows, page, order=("-created_at", "-id"), render=lambda row: move_json(row, at))
        )


class MoveRowView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["catalogue"],
        summary="Read a move",
        operation_id="getPlanMove",
        responses={200: MoveSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query_of(request).done()
        return Response(move_json(_move(id), now()))


class MoveStepsView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["catalogue"],
        summary="List what a move does to each subscription",
        operation_id="listPlanMoveSteps",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("PlanMoveStepPage", MoveStepSchema), **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        at = now()
        return Response(
            page_of(
                steps_of(_move(id)),
                page,
                order=("customer", "subscription_id"),
                render=lambda step: step_json(step, at),
            )
        )


class CancelMoveView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="Cancel a move",
        description="Takes back what has not taken effect yet. Who has moved stays moved.",
        operation_id="cancelPlanMove",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: MoveSchema, **refusals(404, 409, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        found, at = _move(id), now()
        response = answer_once(
            request, lambda: Answer(200, move_json(cancel_move(found.id, now=at), at)), now=at
        )
        _carry_out(at)
        response.data = move_json(_move(id), at)
        return response


def _carry_out(at: datetime) -> int:
    """Carry out the first steps at once, so that whoever reads the move finds them; the sweep does the rest."""
    return run_due(at, kinds=[MOVE_DUE], limit=limits.MOVE_STEPS_AT_ONCE).total()


def _move(id: str) -> PlanMove:
    found = (
        PlanMove.objects.select_related("plan_version__plan").filter(id=parse_public_id("move", id)).first()
    )
    if found is None:
        raise NotFound(f"There is no move {id[:80]!r}.")
    return found


def step_json(step: PlanMoveStep, at: datetime) -> dict[str, Any]:
    return {
        "customer": step.customer.key,
        "subscription": step.subscription_key,  # type: ignore[attr-defined]
        "from_version": step.from_version,
        "at": render_time(step.at),
        "status": step_status(step.state, step.at, at),
        "detail": step.detail,
    }


def move_json(move: PlanMove, at: datetime) -> dict[str, Any]:
    """The move, how many subscriptions stand where, and the first of them."""
    counts = Counter(
        step_status(state, takes_effect, at) for state, takes_effect in move.steps.values_list("state", "at")
    )
    first = steps_of(move).order_by("customer", "subscription_id")[: limits.PAGE_ROWS_DEFAULT]
    return {
        "id": public_id("move", move.id),
        "plan": move.plan_version.plan.key,
        "version": move.plan_version.number,
        "who": move.who,
        "when": NEXT_PERIOD if move.at is None else render_time(move.at),
        "created_at": render_time(move.created_at),
        "cancelled_at": None if move.cancelled_at is None else render_time(move.cancelled_at),
        "counts": dict(sorted(counts.items())),
        "subscriptions": [step_json(step, at) for step in first],
    }


def preview_json(new: NewMove, found: list[Candidate], at: datetime) -> dict[str, Any]:
    """What the move would do, and what the last period of each of the first subscriptions would have cost."""
    for customer_id in {one.subscription.customer_id for one in found[: limits.PAGE_ROWS_DEFAULT]}:
        catch_up(customer_id, at)
    return {
        "plan": new.version.plan.key,
        "version": new.version.number,
        "total": len(found),
        "subscriptions": [
            {
                "customer": one.subscription.customer.key,
                "subscription": one.subscription.key,
                "from_version": one.segment.plan_version.number,
                "at": render_time(one.at),
                "status": "refused" if one.refusal else "planned",
                "detail": one.refusal,
                "last_period": None if one.refusal else _last_json(last_period(one, new.version)),
            }
            for one in found[: limits.PAGE_ROWS_DEFAULT]
        ],
    }


def _last_json(last: LastPeriod) -> dict[str, Any]:
    was, would_be = (
        f"{from_minor(minor, last.exponent)} {last.currency}"
        for minor in (last.cost_minor, last.would_cost_minor)
    )
    return {
        "period": period_json(last.period),
        "currency": last.currency,
        "cost_minor": last.cost_minor,
        "would_cost_minor": last.would_cost_minor,
        "difference_minor": last.would_cost_minor - last.cost_minor,
        "not_compared": list(last.not_compared),
        "text": f"It would have cost {would_be} instead of {was}.",
    }
