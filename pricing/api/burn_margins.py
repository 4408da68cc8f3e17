"""Margins of burn tables, published or about to be."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core import limits
from core.clock import now
from core.fields import Fields
from core.http.queries import query_of
from core.http.schema import refusals
from core.http.views import ApiView
from core.money import ONE, ZERO, plain
from core.problems import NotFound
from pricing.api.prices_schema import BurnMarginsSchema
from pricing.burn_margins import CREDIT_PRICE_LEAST, KindMargin, derived_rates, margins_of
from pricing.burn_rates import RATES_MAX, RateTable
from pricing.burn_tables import compiled, table_by_key, version_at
from pricing.model_names import canonical_provider

TARGET_DEFAULT = Decimal("0.5")
ROWS_MAX = 500
CHECK = OpenApiParameter("check", OpenApiTypes.BOOL, description="store nothing; answer the margins instead")
PARAMETERS = [
    OpenApiParameter(
        "credit_price", OpenApiTypes.STR, description="what a customer pays for one credit, USD"
    ),
    OpenApiParameter("floor", OpenApiTypes.STR, description="least margin, 0.30 for 30 %; 0 if absent"),
    OpenApiParameter("target_margin", OpenApiTypes.STR, description="for derived rates; 0.5 if absent"),
    OpenApiParameter("provider", OpenApiTypes.STR),
    OpenApiParameter("model", OpenApiTypes.STR, description="our name for it, as in the price book"),
]


@dataclass(frozen=True)
class Question:
    """What is asked of a table."""

    credit_price: Decimal
    floor: Decimal
    target_margin: Decimal
    provider: str
    model: str


def read_question(query: Fields) -> Question:
    """The question in a query string; wrong fields are noted there."""
    return Question(
        query.number("credit_price", least=CREDIT_PRICE_LEAST, most=Decimal(limits.MONEY_MAX)),
        query.number("floor", ZERO, least=ZERO, below=ONE),
        query.number("target_margin", TARGET_DEFAULT, least=ZERO, below=ONE),
        canonical_provider(query.text("provider", default="")),
        query.text("model", default=""),
    )


def margins_json(table: RateTable, question: Question, at: datetime) -> dict[str, Any]:
    """What the table earns, the lowest margins first."""
    kinds = margins_of(
        table,
        credit_price=question.credit_price,
        at=at,
        provider=question.provider,
        model=question.model,
    )
    derived = derived_rates(
        kinds[:RATES_MAX], credit_price=question.credit_price, target_margin=question.target_margin
    )
    return {
        "credit_price": plain(question.credit_price),
        "floor": plain(question.floor),
        "kinds": len(kinds),
        "below_floor": sum(kind.below(question.floor) for kind in kinds),
        "results": [_kind_json(kind, question.floor) for kind in kinds[:ROWS_MAX]],
        "derived": [rate.as_json() for rate in derived],
    }


def _kind_json(kind: KindMargin, floor: Decimal) -> dict[str, Any]:
    return {
        "provider": kind.provider,
        "model": kind.model,
        "kind": kind.kind,
        "rate": kind.rate,
        "provider_cost": plain(kind.cost),
        "sale_price": plain(kind.price),
        "margin": None if kind.margin is None else plain(kind.margin.quantize(Decimal("0.000001"))),
        "below_floor": kind.below(floor),
        "detail": kind.told(),
    }


class MarginsView(ApiView):
    """Costs are the operator's own: no customer's key sees them."""

    operator_methods = frozenset({"GET"})

    @extend_schema(
        tags=["catalogue"],
        summary="Read what a burn table earns on each model",
        description="Against the price book as it stands: what the provider charges for one unit, what its credits sell "
        "for, and the margin. The lowest come first.",
        operation_id="getBurnTableMargins",
        parameters=PARAMETERS,
        responses={200: BurnMarginsSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, key: str) -> Response:
        query = query_of(request)
        question = read_question(query)
        query.done()
        at = now()
        version = version_at(table_by_key(key), at)
        if version is None:
            raise NotFound(
                "The table does not hold yet; check its rates with POST /v1/burn-tables?check=true."
            )
        return Response(margins_json(compiled(version), question, at))
