from collections.abc import Iterator

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from console.access import staff_page
from console.queries.prices import (
    STAGED_MAX,
    price_rows,
    providers,
    staged_items,
    staged_snapshots,
    unpriced_count,
    unpriced_models,
)
from core.clock import now as present
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import (
    Column,
    chips_for,
    listing,
    order_fields,
    ordering,
    parameter,
    searched,
    wants_csv,
)
from core.problems import Problem
from pricing.models import PriceRow
from pricing.price_imports import approve_staged, refuse_staged

COLUMNS = (
    Column("provider", "Provider", low=True, order=("provider", "model", "unit", "id")),
    Column("model", "Model", order=("model", "unit", "id")),
    Column("unit", "Kind", order=("unit", "model", "id")),
    Column("context", "Context", low=True),
    Column("price", "Price", number=True, order=("price", "id"), descending_first=True),
    Column("from", "From", low=True, order=("effective_from", "id"), descending_first=True),
    Column("to", "Until", low=True),
    Column("layer", "Source", low=True),
)
HEAD = ("provider", "model", "unit", "context", "region", "input_over", "price", "is_percent", "currency")
DEFAULT = "provider"


@staff_page
def prices(request: HttpRequest) -> HttpResponseBase:
    now = present()
    found = price_rows(
        searched(request),
        parameter(request, "provider"),
        parameter(request, "layer"),
        now,
        past=request.GET.get("past") == "1",
    )
    if wants_csv(request):
        return _csv(found.order_by(*order_fields(*ordering(request, COLUMNS, DEFAULT))))
    names = providers()
    layers = [
        ("", "All sources"),
        *((str(value), label.capitalize()) for value, label in PriceRow.Layer.choices),
    ]
    context = {
        "listing": listing(
            request, COLUMNS, found, default=DEFAULT, chips=chips_for(request, "layer", layers)
        ),
        "past": chips_for(request, "past", [("", "In force and to come"), ("1", "Past too")]),
        "providers": names,
        "provider": parameter(request, "provider"),
        "staged": staged_snapshots(),
        "unpriced": unpriced_count(),
        "now": now,
    }
    return render(request, "console/prices.html", context)


@staff_page
def unpriced(request: HttpRequest) -> HttpResponse:
    return render(request, "console/unpriced.html", {"models": unpriced_models(), "now": present()})


@staff_page
def staged(request: HttpRequest, snapshot_id: int) -> HttpResponse:
    """What of an import waits for a decision."""
    snapshot, items = staged_items(snapshot_id)
    context = {"snapshot": snapshot, "items": items[:STAGED_MAX], "count": len(items)}
    return render(request, "console/staged.html", context)


@require_POST
@staff_page
def decide(request: HttpRequest, snapshot_id: int) -> HttpResponse:
    """Take the marked prices into the book, or refuse them."""
    marked = set(request.POST.getlist("item"))
    _, items = staged_items(snapshot_id)
    chosen = [item.position for item in items if item.mark in marked]
    approve = request.POST.get("decision") == "approve"
    if not chosen or len(chosen) != len(marked):
        messages.warning(request, "Nothing was decided: mark what is on the list as it stands now.")
        return redirect("console:staged", snapshot_id)
    try:
        act = approve_staged if approve else refuse_staged
        act(snapshot_id, by=str(request.user), now=present(), only=chosen)
    except Problem as problem:
        messages.error(request, f"Not decided: {problem.detail}")
    else:
        messages.success(request, f"{len(chosen)} {'taken into the book' if approve else 'refused'}.")
    return redirect("console:staged", snapshot_id)


def _csv(rows: QuerySet[PriceRow]) -> HttpResponseBase:
    def lines() -> Iterator[list[Cell]]:
        for row in rows.iterator():
            yield [
                *(getattr(row, name) for name in HEAD[:-2]),
                "yes" if row.is_percent else "no",
                row.currency,
                row.effective_from,
                row.effective_to,
                row.get_layer_display(),
                row.snapshot.source,
            ]

    return csv_response("price-book", (*HEAD, "effective_from", "effective_to", "layer", "source"), lines())
