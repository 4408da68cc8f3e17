from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.clock import now
from core.http.credentials import Credential
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, SEARCH, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.problems import NotFound
from core.times import render_time
from pricing.api.plans_schema import (
    AddedVersionSchema,
    NewPlanSchema,
    PlanSchema,
    VersionDiffSchema,
    VersionSchema,
)
from pricing.models import Plan, PlanVersion
from pricing.plan_corrections import split_correction
from pricing.plan_terms import PlanTerms, read_terms
from pricing.plans import (
    add_version,
    create_plan,
    diff_terms,
    plan_by_key,
    publish_version,
    retire_version,
    version_of,
)

PRO = {
    "key": "pro",
    "name": "Pro",
    "currency": "USD",
    "interval": "month",
    "fee": "49.00",
    "charges": [
        {
            "key": "output-tokens",
            "meter": "output_tokens",
            "model": "graduated",
            "tiers": [{"up_to": "1000000", "unit_price": "0"}, {"up_to": None, "unit_price": "0.00001"}],
        }
    ],
    "credit_grants": [{"amount": "1000", "rollover": "0"}],
    "margin_floor": {"rate": "0.40", "on_breach": "bill"},
}
EXAMPLE = OpenApiExample("a plan", PRO, request_only=True)


def version_json(version: PlanVersion, credential: Credential) -> dict[str, Any]:
    """The version as the API shows it. Margins are the operator's own business: a customer's key does not see
    floors.
    """
    terms = version.terms
    if not credential.is_operator:
        charges = [{**charge, "margin_floor": None} for charge in terms.get("charges", [])]
        terms = terms | {"margin_floor": None, "charges": charges}
    return {
        "plan": version.plan.key,
        "number": version.number,
        "status": version.status,
        "terms": terms,
        "created_at": render_time(version.created_at),
        "published_at": None if version.published_at is None else render_time(version.published_at),
        "retired_at": None if version.retired_at is None else render_time(version.retired_at),
        "corrects": None if version.corrects is None else version.corrects.number,
        "effective_at": None if version.effective_at is None else render_time(version.effective_at),
        "note": version.note,
    }


def plan_json(plan: Plan, credential: Credential) -> dict[str, Any]:
    """The plan with the version that is sold, or drafted while none is."""
    versions = sorted(plan.versions.all(), key=lambda version: version.number)
    if not credential.is_operator:
        versions = [version for version in versions if version.status != PlanVersion.Status.DRAFT]
    published = [version for version in versions if version.status == PlanVersion.Status.PUBLISHED]
    return {
        "key": plan.key,
        "name": plan.name,
        "created_at": render_time(plan.created_at),
        "archived_at": None if plan.archived_at is None else render_time(plan.archived_at),
        "versions": [{"number": version.number, "status": version.status} for version in versions],
        "version": version_json((published or versions)[-1], credential),
    }


def visible_plans(credential: Credential) -> QuerySet[Plan]:
    """Every plan, or, for a customer's key, those that have left their drafts."""
    rows = Plan.objects.prefetch_related("versions__plan", "versions__corrects")
    if credential.is_operator:
        return rows
    return rows.filter(
        versions__status__in=[PlanVersion.Status.PUBLISHED, PlanVersion.Status.RETIRED]
    ).distinct()


def visible_version(key: str, number: int, credential: Credential) -> PlanVersion:
    version = version_of(key, number)
    if version.status == PlanVersion.Status.DRAFT and not credential.is_operator:
        raise NotFound("The plan has no such version.")
    return version


class PlansView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="List plans",
        operation_id="listPlans",
        parameters=[*PAGE_PARAMETERS, SEARCH],
        responses={200: page_schema("PlanPage", PlanSchema), **refusals(422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page, words = page_request(query), query.search()
        query.done()
        credential = credential_of(request)
        rows = visible_plans(credential)
        if words:
            rows = rows.filter(Q(key__icontains=words) | Q(name__icontains=words))
        return Response(page_of(rows, page, order=("key",), render=lambda plan: plan_json(plan, credential)))

    @extend_schema(
        tags=["catalogue"],
        summary="Create a plan",
        description="With its first version as a draft. Publish version 1 to make it sellable.",
        operation_id="createPlan",
        parameters=[IDEMPOTENCY_KEY],
        request=NewPlanSchema,
        responses={201: PlanSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        terms = read_terms(request.data)
        at, credential = now(), credential_of(request)
        return answer_once(
            request, lambda: Answer(201, plan_json(create_plan(terms, now=at).plan, credential)), now=at
        )


class PlanView(ApiView):
    @extend_schema(
        tags=["catalogue"],
        summary="Read a plan",
        operation_id="getPlan",
        responses={200: PlanSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query_of(request).done()
        credential = credential_of(request)
        plan = visible_plans(credential).filter(pk=plan_by_key(key).pk).first()
        if plan is None:
            raise NotFound("There is no plan with that key.")
        return Response(plan_json(plan, credential))


class VersionsView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="List a plan's versions",
        description="Newest first.",
        operation_id="listPlanVersions",
        parameters=PAGE_PARAMETERS,
        responses={200: page_schema("PlanVersionPage", VersionSchema), **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query = query_of(request)
        page = page_request(query)
        query.done()
        credential = credential_of(request)
        rows = plan_by_key(key).versions.select_related("plan", "corrects")
        if not credential.is_operator:
            rows = rows.exclude(status=PlanVersion.Status.DRAFT)
        return Response(
            page_of(rows, page, order=("-number",), render=lambda version: version_json(version, credential))
        )

    @extend_schema(
        tags=["catalogue"],
        summary="Draft a plan's next version",
        description="The complete terms, in the shape of a plan. Subscriptions keep the version they have. With `corrects` "
        "it puts right a version that was published by mistake: see POST /v1/re-ratings.",
        operation_id="addPlanVersion",
        parameters=[IDEMPOTENCY_KEY],
        request=AddedVersionSchema,
        responses={201: VersionSchema, **refusals(404, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request, key: str) -> Response:
        query_of(request).done()
        plan = plan_by_key(key)
        data, correction = split_correction(request.data)
        terms = read_terms(data, key=plan.key)
        at, credential = now(), credential_of(request)

        def act() -> Answer:
            version = add_version(plan, terms, now=at, correction=correction)
            return Answer(201, version_json(version, credential))

        return answer_once(request, act, now=at)


class VersionView(ApiView):
    @extend_schema(
        tags=["catalogue"],
        summary="Read a version of a plan",
        operation_id="getPlanVersion",
        responses={200: VersionSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str, number: int) -> Response:
        query_of(request).done()
        credential = credential_of(request)
        return Response(version_json(visible_version(key, number, credential), credential))


class PublishView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="Publish a version",
        description=(
            "Makes it sellable and fixed for ever. Every meter and burn table it names must exist. Publishing again "
            "changes nothing."
        ),
        operation_id="publishPlanVersion",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: VersionSchema, **refusals(404, 409, 422)},
    )
    def post(self, request: Request, key: str, number: int) -> Response:
        query_of(request).done()
        version, at, credential = version_of(key, number), now(), credential_of(request)
        return answer_once(
            request, lambda: Answer(200, version_json(publish_version(version, now=at), credential)), now=at
        )


class RetireView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="Retire a version",
        description="It is sold no more; subscriptions that have it keep it. Retiring again changes nothing.",
        operation_id="retirePlanVersion",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={200: VersionSchema, **refusals(404, 409, 422)},
    )
    def post(self, request: Request, key: str, number: int) -> Response:
        query_of(request).done()
        version, at, credential = version_of(key, number), now(), credential_of(request)
        return answer_once(
            request, lambda: Answer(200, version_json(retire_version(version, now=at), credential)), now=at
        )


class DiffView(ApiView):
    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["catalogue"],
        summary="What a version changes",
        operation_id="diffPlanVersions",
        parameters=[
            OpenApiParameter(
                "with", OpenApiTypes.INT, description="the version to compare with; the one before if absent"
            )
        ],
        responses={200: VersionDiffSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str, number: int) -> Response:
        query = query_of(request)
        other = query.integer("with", max(1, number - 1), least=1, most=limits.PLAN_VERSIONS_MAX)
        query.done()
        before, after = version_of(key, other), version_of(key, number)
        changes = diff_terms(PlanTerms.of(before), PlanTerms.of(after))
        return Response(
            {
                "before": before.number,
                "after": after.number,
                "changes": [
                    {"field": change.field, "before": change.before, "after": change.after}
                    for change in changes
                ],
            }
        )
