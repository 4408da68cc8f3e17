from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from core.clock import now
from core.http.queries import query_of
from core.http.schema import refusals
from core.http.views import ApiView
from pricing.api.plans_schema import NewPreviewSchema, PreviewSchema
from pricing.preview import preview_price, read_preview
from pricing.preview_plan import preview_plan, read_plan_preview

EXAMPLE = OpenApiExample(
    "a graduated price",
    {
        "currency": "USD",
        "charge": {
            "model": "graduated",
            "tiers": [{"up_to": "1000", "unit_price": "0"}, {"up_to": None, "unit_price": "0.002"}],
        },
        "quantity": "2500",
    },
    request_only=True,
)


class PricePreviewView(ApiView):
    """Nothing is stored, so reading suffices; but events are priced at our own cost, which only operators
    see.
    """

    scopes = {"POST": "read", "OPTIONS": "read"}
    operator_methods = frozenset({"POST"})

    @extend_schema(
        tags=["catalogue"],
        summary="Try out a price",
        description=(
            "Rates a quantity, or events, through the engine that writes invoices. An event is counted by the charge's "
            "meter, where there is one with that key, else by its `quantity`. With `charges`, in place of `charge`, several "
            "are rated together, with the `allowances` they share. Nothing is stored."
        ),
        operation_id="previewPrice",
        request=NewPreviewSchema,
        responses={200: PreviewSchema, **refusals(413, 415, 422)},
        examples=[EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        query_of(request).done()
        if isinstance(request.data, dict) and request.data.get("charges") is not None:
            return Response(preview_plan(read_plan_preview(request.data)))
        return Response(preview_price(read_preview(request.data, now=now())))
