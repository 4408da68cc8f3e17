"""An operator's own prices for one model: seen beside those in force, changed one by one or all by a percentage."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse

from console.access import staff_page
from console.acts import Done, by, carry_out
from console.forms import Input, day_start, errors_of, filled, read_day, written
from console.queries.prices import unpriced_model
from console.queries.prices_of_model import Place, prices_of_model
from core.clock import now as present
from core.fields import Fields
from core.money import exact, parse_number, plain
from core.pages.tables import parameter
from core.problems import FieldError, Invalid, NotFound, Problem
from core.times import render_time
from pricing.models import PriceRow
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote, SourceError
from pricing.price_sources.reading import quote_from_json
from pricing.price_units import is_token

PER = Decimal(1_000_000)
FROM = Input("first", "From the day", kind="date", required=True, help="UTC. It may lie in the past.")
PERCENT = Input("percent", "All by percent", help="−30 for a cut of 30 %.")
DECIMALS = Decimal("0.000000000001")
Prices = dict[Place, PriceRow | None]


@dataclass(frozen=True)
class OwnPrice:
    """One price to write, and what stands in the field, in the unit that providers print. ``row`` is the one in force;
    None where calls wait for the first one."""

    place: Place
    row: PriceRow | None
    per: Decimal
    value: str
    error: str


@staff_page
def own_prices(request: HttpRequest) -> HttpResponse:
    """Write the operator's own prices for a model, from a day on that may be past."""
    now = present()
    provider, model = parameter(request, "provider"), parameter(request, "model")
    waiting = unpriced_model(provider, model)
    rows: Prices = {**prices_of_model(provider, model, now)}
    for bucket in waiting.buckets if waiting else ():
        rows.setdefault(Place(bucket, "standard", "", 0), None)
    if not rows:
        raise NotFound("The price book has no price of this model, and no call waits for one.")
    errors: dict[str, str] = {}
    given: dict[str, str] = {"first": waiting.first_at.date().isoformat()} if waiting else {}
    if request.method == "POST":
        given = {str(name): str(request.POST.get(name, "")).strip() for name in request.POST}
        try:
            if given.get("do") == "percent":
                given |= _changed_by(given.get("percent", ""), rows)
            else:
                quotes, since = _read(request.POST, rows, provider, model)
                first_ones = all(row is None for row in rows.values())
                return carry_out(
                    request, lambda: _write(quotes, since, model, request, now, first_ones), now=now
                )
        except Problem as problem:
            errors = errors_of(problem)
    context = {
        "provider": provider,
        "model": model,
        "waiting": waiting,
        "prices": [
            OwnPrice(place, row, _per(place), given.get(place.name, ""), errors.get(place.name, ""))
            for place, row in rows.items()
        ],
        "first": filled([FROM], given, errors)[0],
        "percent": filled([PERCENT], given, errors)[0],
        "errors": errors,
        "now": now,
    }
    return render(request, "console/own_prices.html", context, status=422 if errors else 200)


@exact
def _changed_by(percent: str, rows: Prices) -> dict[str, str]:
    """A new price for every field, so many percent off the one in force. Raises ``Invalid``."""
    try:
        share = parse_number(percent.replace("\N{MINUS SIGN}", "-").removesuffix("%").strip())
    except ValueError as error:
        raise Invalid.one("percent", "number", str(error)) from None
    if not -100 <= share <= 1000:
        raise Invalid.one("percent", "range", "Write a number from -100 to 1000.")
    return {
        place.name: plain((row.price * _per(place) * (100 + share) / 100).quantize(DECIMALS))
        for place, row in rows.items()
        if row is not None
    }


def _read(post: QueryDict, rows: Prices, provider: str, model: str) -> tuple[list[Quote], datetime]:
    """The prices written, and from when. Raises ``Invalid`` with every field that is wrong."""
    fields = Fields(written(post, "first"))
    day = read_day(fields, "first")
    if day is None and not fields.errors:
        fields.refuse("first", "required", "Write the day from which the prices hold.")
    errors = list(fields.errors)
    since = day_start(day) if day else present()
    quotes = []
    for place in rows:
        text = str(post.get(place.name, "")).strip()
        if not text:
            continue
        told = {"provider": provider, "model": model, "unit": place.unit, "price": text}
        told |= {"per": plain(_per(place)), "context": place.context, "effective_from": render_time(since)}
        told |= {"region": place.region} if place.region else {}
        told |= {"input_over": str(place.input_over)} if place.input_over else {}
        try:
            quotes.append(quote_from_json(told))
        except SourceError as error:
            errors.append(FieldError(place.name, "invalid", error.detail))
    if not quotes and not errors:
        errors.append(FieldError("", "required", "Write at least one new price."))
    if errors:
        raise Invalid(errors[0].detail, tuple(errors))
    return quotes, since


def _write(
    quotes: list[Quote], since: datetime, model: str, request: HttpRequest, now: datetime, first_ones: bool
) -> Done:
    rows = set_operator_prices(quotes, by=by(request), now=now)
    told = f"{len(rows)} {'price is' if len(rows) == 1 else 'prices are'} in the book for {model}"
    if first_ones:
        told += ". Events that waited for them are priced within some minutes"
    if since >= now or first_ones:
        return Done(f"{told}.", f"{reverse('console:prices')}?{urlencode({'q': model})}")
    asked = urlencode({"first": since.date().isoformat(), "reason": f"New prices for {model}"})
    told += ". Events that were rated before keep their cost until their span is rated again: here."
    return Done(told, f"{reverse('console:new_re_rating')}?{asked}")


def _per(place: Place) -> Decimal:
    return PER if is_token(place.unit) else Decimal(1)
