from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.reading import customer_asked_for, visible_text
from billing.api.rendering import subscription_json, subscriptions_json
from billing.api.schema import (
    CancelSchema,
    ChangePlanSchema,
    NewSubscriptionSchema,
    SubscriptionSchema,
)
from billing.models import Subscription
from billing.rating import catch_up
from billing.reading import NOW, PERIOD_END, VERSION_MAX, read_moment, read_subscription
from billing.recounts.recounting import cancel_and_recount, change_and_recount, start_and_count
from billing.subscriptions.lifecycle import (
    STARTS,
    plan_version_to_sell,
    subscription_by_key,
)
from core.clock import now
from core.due_work import run_due
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of_all, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView, credential_of
from core.idempotency import Answer
from core.ids import parse_public_id
from core.problems import Invalid, NotFound
from customers.customers import customer_by_key

CUSTOMER = OpenApiParameter("customer", str, description="only this customer's")
EXAMPLE = OpenApiExample("a subscription", {"customer": "acme", "plan": "pro"}, request_only=True)


class SubscriptionsView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["subscriptions"],
        summary="List subscriptions",
        operation_id="listSubscriptions",
        parameters=[*PAGE_PARAMETERS, CUSTOMER],
        responses={200: page_schema("SubscriptionPage", SubscriptionSchema), **refusals(404, 422)},
    )
    def get(self, request: Request) -> Response:
        query = query_of(request)
        page = page_request(query)
        customer = customer_asked_for(query, credential_of(request))
        query.done()
        rows = Subscription.objects.select_related("customer")
        if customer is not None:
            rows = rows.filter(customer=customer)
        at, operator = now(), credential_of(request).is_operator

        def render_all(rows: list[Subscription]) -> list[dict[str, Any]]:
            return subscriptions_json(rows, at, for_operator=operator)

        return Response(page_of_all(rows, page, order=("customer", "id"), render_all=render_all))

    @extend_schema(
        tags=["subscriptions"],
        summary="Start a subscription",
        description=(
            "The first period starts at local midnight of the start's day. With `anchor`, an earlier local day, periods "
            "are counted from that day and the first one is a part of a whole. A fee in advance is invoiced at once."
        ),
        operation_id="createSubscription",
        parameters=[IDEMPOTENCY_KEY],
        request=NewSubscriptionSchema,
        responses={201: SubscriptionSchema, **refusals(409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        at = now()
        new = read_subscription(Fields(request.data), credential_of(request), at)

        def start() -> Answer:
            return Answer(201, subscription_json(start_and_count(new, now=at), at))

        response = answer_once(request, start, now=at, customer_id=new.customer.id)
        run_due(at, customer_id=new.customer.id, kinds=[STARTS])
        return response


class SubscriptionView(ApiView):
    @extend_schema(
        tags=["subscriptions"],
        summary="Read a subscription",
        operation_id="getSubscription",
        parameters=[CUSTOMER],
        responses={200: SubscriptionSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        at = now()
        found = subscription_in_path(request, key, at)
        return Response(subscription_json(found, at, for_operator=credential_of(request).is_operator))


class ChangeView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["subscriptions"],
        summary="Change the plan",
        description=(
            "`at` is `now`, `period_end` or a time in the open period or later. Usage before it is rated by the old "
            "version, usage from it on by the new one; the fee is shared by the plan's proration."
        ),
        operation_id="changeSubscription",
        parameters=[IDEMPOTENCY_KEY, CUSTOMER],
        request=ChangePlanSchema,
        responses={200: SubscriptionSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, key: str) -> Response:
        at = now()
        subscription = subscription_in_path(request, key, at)
        fields = Fields(request.data)
        plan = fields.key("plan")
        number = fields.integer("version", None, least=1, most=VERSION_MAX)
        moment = read_moment(fields, subscription, at, default=NOW)
        fields.done()
        version = plan_version_to_sell(plan, number)

        def change() -> Answer:
            change_and_recount(subscription, version, at=moment, now=at)
            return Answer(200, subscription_json(subscription, at))

        return answer_once(request, change, now=at, customer_id=subscription.customer_id)


class CancelView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["subscriptions"],
        summary="End a subscription",
        description="`at` is `period_end` (if absent), `now`, or a time in the open period or later.",
        operation_id="cancelSubscription",
        parameters=[IDEMPOTENCY_KEY, CUSTOMER],
        request=CancelSchema,
        responses={200: SubscriptionSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, key: str) -> Response:
        at = now()
        subscription = subscription_in_path(request, key, at)
        fields = Fields(request.data)
        moment = read_moment(fields, subscription, at, default=PERIOD_END)
        fields.done()

        def cancel() -> Answer:
            cancel_and_recount(subscription, at=moment, now=at)
            return Answer(200, subscription_json(subscription, at))

        return answer_once(request, cancel, now=at, customer_id=subscription.customer_id)


def subscription_in_path(
    request: Request, key: str, at: datetime, query: Fields | None = None
) -> Subscription:
    """The subscription in the address, its periods opened up to now. Raises ``NotFound``."""
    subscription = _named(request, key, query or query_of(request))
    catch_up(subscription.customer_id, at)
    subscription.refresh_from_db()
    return subscription


def _named(request: Request, key: str, query: Fields) -> Subscription:
    customer_key = query.text("customer", default="")
    query.done()
    credential = credential_of(request)
    visible_text(key, "subscription")
    if customer_key:
        return subscription_by_key(customer_by_key(customer_key, credential).id, key)
    if credential.customer_id is not None:
        return subscription_by_key(credential.customer_id, key)
    rows = Subscription.objects.select_related("customer")
    found = list(rows.filter(key=key)[:2]) or _by_id(key)
    if not found:
        raise NotFound(f"There is no subscription {key[:80]!r}.")
    if len(found) > 1:
        detail = "Several customers have a subscription with this key; add ?customer=, or use the id."
        raise Invalid.one("customer", "required", detail)
    return found[0]


def _by_id(key: str) -> list[Subscription]:
    try:
        identity = parse_public_id("sub", key)
    except NotFound:
        return []
    return list(Subscription.objects.select_related("customer").filter(id=identity))
