"""``/v1/customers/{key}/spend`` and ``/forecast``: the open period so far, and what it will come to."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.rendering import credits_json, forecast_json, spend_json
from billing.api.schema import ForecastSchema, SpendSchema
from billing.credits.grants import credit_balance
from billing.forecast import forecast
from billing.models import Subscription
from billing.rating import catch_up
from billing.statements.statement import spend_statement
from billing.subscriptions.lifecycle import active_subscriptions, subscription_by_key
from core.clock import now
from core.http.queries import query_of
from core.http.schema import refusals
from core.http.views import ApiView, credential_of
from core.times import render_time
from customers.customers import customer_by_key
from customers.models import Customer

SUBSCRIPTION = OpenApiParameter("subscription", str, description="key or id: only this one")


class SpendView(ApiView):
    @extend_schema(
        tags=["spend"],
        summary="What the open period comes to so far",
        description=(
            "Everything sent before the request is in it. The top level adds up the customer's running subscriptions, of "
            "which most have one; `subscriptions` tells them apart. Cost and margin are for operators."
        ),
        operation_id="getSpend",
        parameters=[SUBSCRIPTION],
        responses={200: SpendSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        at = now()
        customer, subscriptions = _asked_for(request, key, at)
        statements = [spend_statement(subscription) for subscription in subscriptions]
        balance = credit_balance(customer.id, as_of=at)
        body = spend_json(statements, customer, for_operator=credential_of(request).is_operator)
        return Response(
            {"customer": customer.key, "as_of": render_time(at)} | body | {"credits": credits_json(balance)}
        )


class ForecastView(ApiView):
    @extend_schema(
        tags=["spend"],
        summary="What the open period will come to",
        description="Before tax. A range, and in `basis` how it was worked out.",
        operation_id="getForecast",
        parameters=[SUBSCRIPTION],
        responses={200: ForecastSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        at = now()
        customer, subscriptions = _asked_for(request, key, at)
        parts = [forecast_json(forecast(subscription, now=at)) for subscription in subscriptions]
        sums = {
            name: sum(part[name] for part in parts)
            for name in ("so_far_minor", "expected_minor", "low_minor", "high_minor")
        }
        body: dict[str, Any] = {
            "customer": customer.key,
            "as_of": render_time(at),
            "currency": customer.currency,
        }
        return Response(body | sums | {"subscriptions": parts})


def _asked_for(request: Request, key: str, at: datetime) -> tuple[Customer, list[Subscription]]:
    """The customer, its usage rated, and its running subscriptions or the one asked for."""
    query = query_of(request)
    only = query.id("subscription", "")
    query.done()
    customer = customer_by_key(key, credential_of(request))
    catch_up(customer.id, at)
    if only:
        return customer, [subscription_by_key(customer.id, only)]
    return customer, active_subscriptions(customer.id)
