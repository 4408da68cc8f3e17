from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import ReRating
from billing.recounts.rerating import NewReRating, apply_re_rating, is_stale, look_at, of_plan, open_re_rating
from console.access import staff_page
from console.acts import Done, by, carry_out, refused
from console.forms import Input, day_end, day_start, errors_of, filled, read_day, written
from console.queries.re_ratings import (
    CustomerLine,
    LineSearch,
    count_lines,
    customer_lines,
    progress_of,
    re_ratings,
    span_of,
    totals_of,
)
from core import limits
from core.clock import now as present
from core.fields import Fields
from core.ids import parse_public_id, public_id
from core.money import from_minor
from core.pages.figures import places_of
from core.pages.spreadsheet import Cell, csv_response
from core.pages.tables import (
    Column,
    PreparedPage,
    chips_for,
    listing,
    ordering,
    prepared_listing,
    searched,
    wants_csv,
)
from core.periods import Period
from core.problems import NotFound, Problem
from customers.models import Customer
from pricing.plan_corrections import correction_named

PREFIX = "rerate"
LIST_COLUMNS = (
    Column("made", "Made", order=("id",), descending_first=True),
    Column("reason", "Why"),
    Column("span", "Events from", order=("span_start", "id"), descending_first=True),
    Column("who", "Of", low=True),
    Column("state", "State"),
)
COLUMNS = (
    Column("name", "Customer", order=("name",)),
    Column("events", "Events", number=True, low=True, order=("events",), descending_first=True),
    Column("cost", "Cost, USD", number=True, order=("cost",)),
    Column("credits", "Credits", number=True, low=True, order=("credits",)),
    Column("charges", "Charges", number=True, order=("charges",)),
    Column("margin", "Margin", number=True, low=True, order=("margin",), descending_first=True),
)
LIST_DEFAULT, DEFAULT = "-made", "cost"
CSV_ROWS_MAX = 100_000
INPUTS = (
    Input(
        "first", "From the day", kind="date", required=True, help="Events that happened from here on, UTC."
    ),
    Input("last", "Up to and with the day", kind="date", help="Until now where it is left empty."),
    Input("customer", "Only this customer", help="The customer’s key; empty for every customer."),
    Input("reason", "Why", required=True, help="Kept with the correction, for whoever asks in a year."),
)


@staff_page
def re_rating_list(request: HttpRequest) -> HttpResponse:
    page = listing(request, LIST_COLUMNS, re_ratings(), default=LIST_DEFAULT)
    return render(request, "console/re_ratings.html", {"listing": page})


@staff_page
def new_re_rating(request: HttpRequest) -> HttpResponse:
    """Ask for a span to be rated again; what comes of it is only looked at."""
    errors: dict[str, str] = {}
    if request.method == "POST":
        now = present()
        try:
            new = _read(request)
            return carry_out(request, lambda: _open(new), now=now)
        except Problem as problem:
            errors = errors_of(problem)
    given = request.POST if request.method == "POST" else request.GET
    context = {"inputs": filled(INPUTS, {name: given.get(name) for name in given}, errors), "errors": errors}
    return render(request, "console/re_rating_new.html", context, status=422 if errors else 200)


@staff_page
def re_rating(request: HttpRequest, public: str) -> HttpResponseBase:
    """One re-rating: how far its dry run is, what it would change or has changed, and for whom."""
    row = _named(public)
    column, downward = ordering(request, COLUMNS, DEFAULT)
    search = LineSearch(searched(request), column.key, downward, request.GET.get("show") != "all")
    if wants_csv(request):
        return csv_response(
            public, CSV_HEAD, (_cells(line) for line in customer_lines(row, search, limit=CSV_ROWS_MAX))
        )
    running = row.state in (ReRating.State.COUNTING, ReRating.State.APPLYING)
    context = {"row": row, "public": public, "span": span_of(row), "progress": progress_of(row)}
    context |= {"now": present(), "running": running, "stale": _waits(row) and is_stale(row)}
    if row.state != ReRating.State.COUNTING:
        page = prepared_listing(
            request,
            COLUMNS,
            PreparedPage(
                count_lines(row, search),
                lambda offset, limit: customer_lines(row, search, offset=offset, limit=limit),
            ),
            default=DEFAULT,
        )
        shown = chips_for(request, "show", [("", "Changed"), ("all", "All customers")])
        context |= {"listing": page, "shown": shown, "totals": totals_of(row)}
    return render(request, "console/re_rating.html", context)


@require_POST
@staff_page
def apply(request: HttpRequest, public: str) -> HttpResponse:
    row = _named(public)
    now = present()

    def act() -> Done:
        apply_re_rating(row.id, by=by(request), now=now)
        return Done("It is being applied, customer by customer.", reverse("console:re_rating", args=[public]))

    try:
        return carry_out(request, act, now=now)
    except Problem as problem:
        return refused(request, problem, "Not applied", "console:re_rating", public)


@require_POST
@staff_page
def look_again(request: HttpRequest, public: str) -> HttpResponse:
    """The same span and reason, by what is known now."""
    row = _named(public)
    now = present()
    if row.plan_version is not None:
        new = of_plan(row.plan_version, row.reason, customer=row.customer, by=by(request), now=now)
    else:
        new = NewReRating(span_of(row), row.reason, row.customer, by=by(request))
    return carry_out(request, lambda: _open(new), now=now)


@require_POST
@staff_page
def carry_correction(request: HttpRequest, key: str, number: int) -> HttpResponse:
    """See what a corrected plan makes of those who had the wrong version."""
    now = present()
    try:
        version = correction_named(key, number)
        new = of_plan(version, version.note or f"Correction of {version.plan.name}", by=by(request), now=now)
        return carry_out(request, lambda: _open(new), now=now)
    except Problem as problem:
        return refused(request, problem, "Not looked at", "console:plan_version", key, number)


def _open(new: NewReRating) -> Done:
    now = present()
    row = open_re_rating(new, now=now)
    if new.customer is not None:
        look_at(new.customer.id, row.id, now=now)
    told = "Nothing is changed yet: this is what the correction would do."
    return Done(told, reverse("console:re_rating", args=[public_id(PREFIX, row.id)]))


def _read(request: HttpRequest) -> NewReRating:
    """What is asked for. Raises ``Invalid`` with every field that is wrong."""
    now = present()
    fields = Fields(written(request.POST, *(field.name for field in INPUTS)))
    first, last = read_day(fields, "first"), read_day(fields, "last")
    key = fields.id("customer", "")
    reason = fields.text("reason", most=limits.REASON_CHARACTERS_MAX)
    customer = Customer.objects.filter(key=key).first() if key else None
    if key and customer is None:
        fields.refuse("customer", "unknown_customer", f"No customer has the key {key[:80]!r}.")
    if first is None and not any(error.field == "first" for error in fields.errors):
        fields.refuse("first", "required", "Write the first day to rate again.")
    start = day_start(first) if first else now
    end = min(day_end(last), now) if last else now
    if first and not fields.errors and end <= start:
        name, detail = (
            ("last", "It lies before the first day.") if last else ("first", "It is still to come.")
        )
        fields.refuse(name, "order", detail)
    fields.done()
    return NewReRating(Period(start, end), reason, customer, by=by(request))


def _named(public: str) -> ReRating:
    rows = ReRating.objects.select_related("customer", "plan_version__plan", "plan_version__corrects")
    row = rows.filter(id=parse_public_id(PREFIX, public)).first()
    if row is None:
        raise NotFound("There is no such re-rating.")
    return row


def _waits(row: ReRating) -> bool:
    return row.state in (ReRating.State.COUNTING, ReRating.State.READY)


CSV_HEAD = (
    "customer",
    "name",
    "events_changed",
    "cost_before_usd",
    "cost_after_usd",
    "credits_before",
    "credits_after",
    "currency",
    "charges_change",
    "margin_before",
    "margin_after",
    "state",
)


def _cells(line: CustomerLine) -> list[Cell]:
    return [
        line.key,
        line.name,
        line.events,
        line.cost.before,
        line.cost.after,
        line.credits.before,
        line.credits.after,
        line.currency,
        from_minor(line.charges, places_of(line.currency)),
        line.margin_before,
        line.margin_after,
        line.state,
    ]
