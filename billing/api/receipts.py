"""``/v1/events/{id}/receipt``: how one event was rated, in full."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.credits_schema import ReceiptSchema
from billing.api.reading import visible_text
from billing.rating import catch_up
from billing.receipts.dry_run import dry_run_receipts
from billing.receipts.receipt import receipt_json, receipt_of
from billing.receipts.withdrawn import withdrawn_receipt
from core.clock import now
from core.http.credentials import Credential
from core.http.queries import query_of
from core.http.schema import refusals
from core.http.views import ApiView, credential_of
from core.problems import Invalid, NotFound
from customers.customers import customer_by_key
from customers.models import Customer
from metering.identities import customers_with_event, unmatched_event
from metering.withdrawals import withdrawn_event

PARAMETERS = [
    OpenApiParameter("customer", str, description="whose event, where several customers have used the id"),
    OpenApiParameter("source", str, description="which, where several sources have used the id"),
]


class ReceiptView(ApiView):
    @extend_schema(
        tags=["events"],
        summary="An event's receipt",
        description=(
            "Tokens, credits and draws by the rates in force then, what each charge counts, and the invoice line. Cost, "
            "by price rows, is for operators. An event whose customer is not known has the status `unmatched`, one that a "
            "reverted backfill took back `withdrawn`."
        ),
        operation_id="getReceipt",
        parameters=PARAMETERS,
        responses={200: ReceiptSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        query = query_of(request)
        source, key = query.id("source", "") or None, query.id("customer", "")
        query.done()
        visible_text(id, "event")
        credential = credential_of(request)
        customer = _customer(credential, key, id, source)
        if customer is None:
            return Response(_unmatched(credential, key, id, source))
        catch_up(customer.id, now())
        receipt = receipt_of(customer, id, source)
        if receipt is None:
            return Response(_withdrawn(credential, customer, id, source))
        return Response(receipt_json(receipt, for_operator=credential.is_operator))


def _customer(credential: Credential, key: str, id: str, source: str | None) -> Customer | None:
    """Whose event it is; ``None`` for one that no known customer has. Raises ``Invalid`` where several have the id."""
    if credential.customer_id is not None:
        return customer_by_key(key, credential) if key else Customer.objects.get(id=credential.customer_id)
    if key:
        return Customer.objects.filter(key=key).first()
    owners = customers_with_event(id, source)
    if len(owners) > 1:
        detail = "Several customers have an event with this id; add ?customer=."
        raise Invalid.one("customer", "required", detail)
    return Customer.objects.get(id=owners[0]) if owners else None


def _unmatched(credential: Credential, key: str, id: str, source: str | None) -> dict[str, Any]:
    event = unmatched_event(id, source, customer_key=key or None)
    if event is None and not key:
        return _withdrawn(credential, None, id, source)
    if event is None:
        raise _absent(id)
    receipt: dict[str, Any] = dry_run_receipts([event], credential.is_operator)[0]
    return receipt


def _withdrawn(
    credential: Credential, customer: Customer | None, id: str, source: str | None
) -> dict[str, Any]:
    row = withdrawn_event(id, source, customer_id=None if customer is None else customer.id)
    if row is None:
        raise _absent(id)
    return withdrawn_receipt(row, for_operator=credential.is_operator)


def _absent(id: str) -> NotFound:
    return NotFound(f"There is no event with the id {id[:80]!r}.")
