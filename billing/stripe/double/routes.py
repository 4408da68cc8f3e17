"""Every call that the double answers: method, path, the library's parameters for it, the function."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from billing.stripe.double import (
    credit_notes,
    customers,
    invoice_items,
    invoice_lines,
    invoice_status,
    invoices,
    payments,
    webhook_endpoints,
)
from billing.stripe.double.call import Call
from billing.stripe.double.errors import Refusal
from billing.stripe.double.lists import lines_listing, listing
from billing.stripe.double.state import Body


@dataclass(frozen=True)
class Route:
    """``run(call, **ids)`` answers; ``parameters`` names a class of ``stripe.params``."""

    method: str
    template: str
    parameters: str
    run: Callable[..., Body]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template))


def retrieve_event(call: Call, event: str) -> Body:
    return call.find("event", event, "event")


def crud(path: str, noun: str, name: str, **run: Callable[..., Body]) -> list[Route]:
    """The usual routes of one resource, those of them that are given."""
    one = f"{path}/{{{noun}}}"
    verbs = {
        "create": ("POST", path),
        "list": ("GET", path),
        "retrieve": ("GET", one),
        "update": ("POST", one),
        "delete": ("DELETE", one),
    }
    return [
        Route(*verbs[verb], f"{name}{verb.capitalize()}Params", function) for verb, function in run.items()
    ]


INVOICE = "/v1/invoices/{invoice}"

ROUTES = [
    # Fixed paths stand before those with an id in the same place.
    Route("GET", "/v1/credit_notes/preview", "CreditNotePreviewParams", credit_notes.preview_credit_note),
    *crud(
        "/v1/customers",
        "customer",
        "Customer",
        create=customers.create_customer,
        list=listing("customer", "email"),
        retrieve=customers.retrieve_customer,
        update=customers.update_customer,
        delete=customers.delete_customer,
    ),
    *crud(
        "/v1/customers/{customer}/balance_transactions",
        "transaction",
        "CustomerBalanceTransaction",
        create=customers.create_balance_transaction,
        list=listing("customer_balance_transaction"),
    ),
    *crud(
        "/v1/invoices",
        "invoice",
        "Invoice",
        create=invoices.create_invoice,
        list=listing("invoice", "customer", "status", "collection_method"),
        retrieve=invoices.retrieve_invoice,
        update=invoices.update_invoice,
        delete=invoices.delete_invoice,
    ),
    Route("POST", f"{INVOICE}/add_lines", "InvoiceAddLinesParams", invoice_lines.add_lines),
    Route("POST", f"{INVOICE}/update_lines", "InvoiceUpdateLinesParams", invoice_lines.update_lines),
    Route("POST", f"{INVOICE}/remove_lines", "InvoiceRemoveLinesParams", invoice_lines.remove_lines),
    Route("POST", f"{INVOICE}/lines/{{line}}", "InvoiceLineItemUpdateParams", invoice_lines.update_line),
    Route(
        "GET",
        "/v1/invoices/{document}/lines",
        "InvoiceLineItemListParams",
        lines_listing("invoice", "invoice"),
    ),
    Route("POST", f"{INVOICE}/finalize", "InvoiceFinalizeInvoiceParams", invoice_status.finalize_invoice),
    Route("POST", f"{INVOICE}/pay", "InvoicePayParams", invoice_status.pay_invoice),
    Route("POST", f"{INVOICE}/send", "InvoiceSendInvoiceParams", invoice_status.send_invoice),
    Route("POST", f"{INVOICE}/void", "InvoiceVoidInvoiceParams", invoice_status.void_invoice),
    Route(
        "POST",
        f"{INVOICE}/mark_uncollectible",
        "InvoiceMarkUncollectibleParams",
        invoice_status.mark_uncollectible,
    ),
    *crud(
        "/v1/invoiceitems",
        "invoiceitem",
        "InvoiceItem",
        create=invoice_items.create_invoice_item,
        list=listing("invoiceitem", "customer", "invoice"),
        retrieve=invoice_items.retrieve_invoice_item,
        update=invoice_items.update_invoice_item,
        delete=invoice_items.delete_invoice_item,
    ),
    *crud(
        "/v1/invoice_payments",
        "invoice_payment",
        "InvoicePayment",
        list=listing("invoice_payment", "invoice", "status"),
        retrieve=payments.retrieve_invoice_payment,
    ),
    *crud(
        "/v1/credit_notes",
        "credit_note",
        "CreditNote",
        create=credit_notes.create_credit_note,
        list=listing("credit_note", "customer", "invoice"),
        retrieve=credit_notes.retrieve_credit_note,
        update=credit_notes.update_credit_note,
    ),
    Route(
        "POST",
        "/v1/credit_notes/{credit_note}/void",
        "CreditNoteVoidCreditNoteParams",
        credit_notes.void_credit_note,
    ),
    Route(
        "GET",
        "/v1/credit_notes/{document}/lines",
        "CreditNoteLineItemListParams",
        lines_listing("credit_note", "credit note"),
    ),
    *crud("/v1/events", "event", "Event", list=listing("event", "type"), retrieve=retrieve_event),
    *crud(
        "/v1/webhook_endpoints",
        "webhook_endpoint",
        "WebhookEndpoint",
        create=webhook_endpoints.create_webhook_endpoint,
        list=listing("webhook_endpoint"),
        retrieve=webhook_endpoints.retrieve_webhook_endpoint,
        update=webhook_endpoints.update_webhook_endpoint,
        delete=webhook_endpoints.delete_webhook_endpoint,
    ),
]


def route_for(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """The route and the ids in the path. Raises Refusal (404) where the double answers no such call."""
    for route in ROUTES:
        match = route.pattern.fullmatch(path)
        if match and route.method == method:
            return route, match.groupdict()
    raise Refusal(f"Unrecognized request URL ({method}: {path}).", status=404)
