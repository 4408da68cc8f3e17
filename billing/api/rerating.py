"""``/v1/re-ratings``: the past rated again by what is known now, first as a dry run."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Q
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.reading import nothing_to_read
from billing.api.rerating_schema import (
    NewReRatingSchema,
    ReRatingInFullSchema,
    ReRatingSchema,
    ReRatingStepSchema,
)
from billing.models import ReRating, ReRatingStep
from billing.reading import customer_named
from billing.recounts.consequences import has_changed
from billing.recounts.rerating import NewReRating, apply_re_rating, look_at, of_plan, open_re_rating
from core import limits
from core.clock import now
from core.fields import Fields
from core.http.credentials import Credential
from core.http.once import answer_once
from core.http.pagination import page_of, page_of_all, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.ids import parse_public_id, public_id
from core.money import ZERO, exact, plain
from core.periods import Period
from core.problems import NotFound
from core.times import render_time
from pricing.plan_corrections import correction_named

PREFIX = "rerate"
PLAN_EXAMPLE = OpenApiExample(
    "a corrected plan",
    {"plan": "pro", "version": 3, "reason": "version 2 was published with a fee of 490.00 in place of 49.00"},
    request_only=True,
)
EXAMPLE = OpenApiExample(
    "a month of one customer",
    {
        "from": "2026-10-01T00:00:00Z",
        "to": "2026-11-01T00:00:00Z",
        "customer": "acme",
        "reason": "the provider cut its price on 10 October, and told us in November",
    },
    request_only=True,
)
CHANGED = OpenApiParameter("changed", bool, description="only customers for whom something changes")


def states_of(re_ratings: Sequence[ReRating]) -> dict[UUID, dict[str, int]]:
    """How many customers of each re-rating are in which state."""
    states = {row.id: dict.fromkeys(ReRatingStep.State.values, 0) for row in re_ratings}
    steps = ReRatingStep.objects.filter(re_rating__in=re_ratings).values_list("re_rating", "state")
    for id_, state, count in steps.annotate(count=Count("customer_id")):
        states[id_][state] = count
    return states


def re_ratings_json(rows: list[ReRating]) -> list[dict[str, Any]]:
    """The re-ratings as the API shows them."""
    states = states_of(rows)
    return [_re_rating_json(row, states[row.id]) for row in rows]


def _re_rating_json(row: ReRating, states: dict[str, int]) -> dict[str, Any]:
    return {
        "id": public_id(PREFIX, row.id),
        "from": render_time(row.span_start),
        "to": render_time(row.span_end),
        "customer": row.customer.key if row.customer is not None else None,
        "plan": None if row.plan_version is None else row.plan_version.plan.key,
        "version": None if row.plan_version is None else row.plan_version.number,
        "reason": row.reason,
        "state": row.state,
        "customers": states,
        "created_at": render_time(row.created_at),
        "created_by": row.created_by,
        "applied_at": None if row.applied_at is None else render_time(row.applied_at),
        "applied_by": row.applied_by,
    }


@exact
def totals_json(row: ReRating) -> dict[str, Any]:
    """The changes of all customers added up: what was applied, else what the dry run found."""
    customers = events = 0
    cost = credits = ZERO
    charges: dict[str, Counter[str]] = defaultdict(Counter)
    for found, applied in row.steps.values_list("found", "applied").iterator(chunk_size=500):
        told = applied or found
        if not told or not has_changed(told):
            continue
        customers += 1
        events += told["events"]
        cost += Decimal(told["cost"]["change"])
        credits += Decimal(told["credits"]["change"])
        for period in told["periods"]:
            moved = period["subtotal_after_minor"] - period["subtotal_before_minor"]
            charges[period["currency"]][period["state"]] += moved
    return {
        "customers": customers,
        "events": events,
        "cost": plain(cost),
        "credits": plain(credits),
        "charges": {currency: dict(states) for currency, states in sorted(charges.items())},
    }


def in_full(row: ReRating) -> dict[str, Any]:
    return re_ratings_json([row])[0] | {"total": totals_json(row)}


def step_json(step: ReRatingStep) -> dict[str, Any]:
    """One customer's part of it."""
    return {
        "customer": step.customer.key,
        "state": step.state,
        "found": step.found,
        "applied": step.applied,
    }


class ReRatingsView(ApiView):
    operator_methods = frozenset({"GET", "POST"})

    @extend_schema(
        tags=["corrections"],
        summary="List re-ratings, newest first",
        operation_id="listReRatings",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("ReRatingPage", ReRatingSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        rows = ReRating.objects.select_related("customer", "plan_version__plan")
        return Response(page_of_all(rows, page, order=("-id",), render_all=re_ratings_json))

    @extend_schema(
        tags=["corrections"],
        summary="Rate a span of the past again, as a dry run",
        description="Nothing changes yet: it shows what the prices and burn tables known now would change, or, with `plan` "
        "and `version`, what a corrected version of a plan changes for those who had the wrong one. One customer "
        "is looked at before the answer; all customers are counted in the background until the state is `ready`.",
        operation_id="createReRating",
        parameters=[IDEMPOTENCY_KEY],
        request=NewReRatingSchema,
        responses={201: ReRatingInFullSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE, PLAN_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        at, credential = now(), credential_of(request)
        new = _read(Fields(request.data), credential, at)

        def act() -> Answer:
            return Answer(201, in_full(_opened(new, at)))

        return answer_once(request, act, now=at, customer_id=new.customer.id if new.customer else 0)


class ReRatingView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["corrections"],
        summary="Read a re-rating and what it comes to",
        operation_id="getReRating",
        responses={200: ReRatingInFullSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query_of(request).done()
        return Response(in_full(_named(id)))


class ReRatingCustomersView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["corrections"],
        summary="Read what a re-rating changes, customer by customer",
        operation_id="listReRatingCustomers",
        parameters=[*PAGE_PARAMETERS, CHANGED],
        responses={200: page_schema("ReRatingCustomerPage", ReRatingStepSchema), **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query = query_of(request)
        page, changed = page_request(query), query.flag("changed", False)
        query.done()
        rows = ReRatingStep.objects.filter(re_rating=_named(id)).select_related("customer")
        if changed:
            rows = rows.filter(Q(found__changed=True) | Q(found__events__gt=0, found__changed=None))
        return Response(page_of(rows, page, order=("customer_id",), render=step_json))


class ApplyView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["corrections"],
        summary="Apply a re-rating",
        description="Customer by customer, in the background. Finalized invoices stay; their differences are lines on the "
        "next ones. Applying again changes nothing. 409 when prices or burn tables have changed since the dry run.",
        operation_id="applyReRating",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: ReRatingInFullSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, id: str) -> Response:
        query_of(request).done()
        nothing_to_read(request)
        row, at, by = _named(id), now(), credential_of(request).by
        return answer_once(
            request, lambda: Answer(200, in_full(apply_re_rating(row.id, by=by, now=at))), now=at
        )


def _read(fields: Fields, credential: Credential, at: datetime) -> NewReRating:
    """The span, or the correction of a plan, that a body names."""
    of_a_plan = fields.has("plan") or fields.has("version")
    plan, number = "", 0
    start, end = at, at
    if of_a_plan:
        plan = fields.key("plan")
        number = fields.integer("version", least=1, most=limits.PLAN_VERSIONS_MAX)
        for name in ("from", "to"):
            if fields.has(name):
                fields.refuse(name, "contradiction", "The correction of a plan says from when; leave it out.")
            fields.raw(name)
    else:
        start, end = fields.time("from"), fields.time("to", at)
    key = fields.id("customer", "")
    reason = fields.text("reason", most=limits.REASON_CHARACTERS_MAX)
    if not of_a_plan and not fields.errors and end <= start:
        fields.refuse("to", "order", "Write a time after `from`.")
    fields.done()
    customer = customer_named(key, credential) if key else None
    by = credential.by
    if of_a_plan:
        return of_plan(correction_named(plan, number), reason, customer=customer, by=by, now=at)
    return NewReRating(Period(start, end), reason, customer, by)


def _opened(new: NewReRating, at: datetime) -> ReRating:
    row = open_re_rating(new, now=at)
    if new.customer is not None:
        look_at(new.customer.id, row.id, now=at)
        row.refresh_from_db()
    return row


def _named(id: str) -> ReRating:
    row = (
        ReRating.objects.select_related("customer", "plan_version__plan")
        .filter(id=parse_public_id(PREFIX, id))
        .first()
    )
    if row is None:
        raise NotFound("There is no such re-rating.")
    return row
