"""``/v1/subscriptions/{key}/overrides`` and ``/add-ons``: what one subscriber has beside its plan."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.reading import visible_text
from billing.api.rendering import subscription_json
from billing.api.schema import SubscriptionSchema
from billing.api.subscriptions import CUSTOMER, subscription_in_path
from billing.api.terms_schema import AddOnSchema, EndAddOnSchema, NewAddOnSchema, NewOverridesSchema
from billing.models import AddOn
from billing.reading import NOW, PERIOD_END, read_add_on, read_moment, read_overrides
from billing.statements.add_ons import add_add_on, add_ons_of, end_add_on
from billing.subscriptions.overrides import set_overrides
from core.clock import now
from core.fields import Fields
from core.http.once import answer_once
from core.http.pagination import page_of, page_request
from core.http.queries import query_of
from core.http.schema import IDEMPOTENCY_KEY, PAGE_PARAMETERS, page_schema, refusals
from core.http.views import ApiView
from core.idempotency import Answer
from core.ids import public_id
from core.money import plain
from core.times import render_time

BACKUPS = {"key": "backups", "name": "Daily backups", "amount": "20.00", "recurring": True}
EXAMPLE = OpenApiExample("ten percent off", {"overrides": {"discount_percent": "10"}}, request_only=True)


class OverridesView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["subscriptions"],
        summary="Set a subscription's own terms",
        description=(
            "They replace those it had, and hold for whole periods: the open one, or from the next on. Invoices that are "
            "finalized keep theirs."
        ),
        operation_id="setSubscriptionOverrides",
        parameters=[IDEMPOTENCY_KEY, CUSTOMER],
        request=NewOverridesSchema,
        responses={200: SubscriptionSchema, **refusals(404, 409, 413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request, key: str) -> Response:
        at = now()
        subscription = subscription_in_path(request, key, at)
        fields = Fields(request.data)
        given = fields.raw("overrides")
        if given is None:
            fields.refuse("overrides", "required", "It is required; {} takes all of them back.")
        when = fields.choice("at", (NOW, PERIOD_END), NOW)
        fields.done()
        overrides = read_overrides(given)

        def change() -> Answer:
            set_overrides(subscription, overrides, next_period=when == PERIOD_END, now=at)
            return Answer(200, subscription_json(subscription, at))

        return answer_once(request, change, now=at, customer_id=subscription.customer_id)


class AddOnsView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["subscriptions"],
        summary="List a subscription's add-ons",
        operation_id="listAddOns",
        parameters=[*PAGE_PARAMETERS, CUSTOMER],
        responses={200: page_schema("AddOnPage", AddOnSchema), **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query = query_of(request)
        page = page_request(query)
        subscription = subscription_in_path(request, key, now(), query)
        rows = add_ons_of(subscription)
        return Response(page_of(rows, page, order=("starts_at", "id"), render=add_on_json))

    @extend_schema(
        tags=["subscriptions"],
        summary="Add an extra",
        description=(
            "Once, or in every period. It is billed with the period in which it runs; a recurring one that begins or ends "
            "in mid period is shared by the plan's proration."
        ),
        operation_id="addAddOn",
        parameters=[IDEMPOTENCY_KEY, CUSTOMER],
        request=NewAddOnSchema,
        responses={201: AddOnSchema, **refusals(404, 409, 413, 415, 422)},
        examples=[OpenApiExample("backups", BACKUPS, request_only=True)],
    )
    def post(self, request: Request, key: str) -> Response:
        at = now()
        subscription = subscription_in_path(request, key, at)
        new = read_add_on(Fields(request.data), at)
        return answer_once(
            request,
            lambda: Answer(201, add_on_json(add_add_on(subscription, new, now=at))),
            now=at,
            customer_id=subscription.customer_id,
        )


class EndAddOnView(ApiView):
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["subscriptions"],
        summary="End a recurring add-on",
        operation_id="endAddOn",
        parameters=[IDEMPOTENCY_KEY, CUSTOMER],
        request=EndAddOnSchema,
        responses={200: AddOnSchema, **refusals(404, 409, 413, 415, 422)},
    )
    def post(self, request: Request, key: str, add_on: str) -> Response:
        at = now()
        subscription = subscription_in_path(request, key, at)
        visible_text(add_on, "add-on")
        fields = Fields(request.data)
        moment = read_moment(fields, subscription, at, default=PERIOD_END)
        fields.done()
        return answer_once(
            request,
            lambda: Answer(200, add_on_json(end_add_on(subscription, add_on, at=moment))),
            now=at,
            customer_id=subscription.customer_id,
        )


def add_on_json(add_on: AddOn) -> dict[str, Any]:
    return {
        "id": public_id("addon", add_on.id),
        "key": add_on.key,
        "name": add_on.name,
        "amount": plain(add_on.amount),
        "quantity": plain(add_on.quantity),
        "recurring": add_on.recurring,
        "starts_at": render_time(add_on.starts_at),
        "ends_at": None if add_on.ends_at is None else render_time(add_on.ends_at),
    }
