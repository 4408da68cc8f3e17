from collections.abc import Callable
from typing import BinaryIO, cast
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.backfills.jobs import (
    NewBackfill,
    PeriodsInvoiced,
    check_backfill,
    close_backfill,
    create_backfill,
    discard_backfill,
    revert_backfill,
)
from billing.backfills.rejected import rejected_csv
from billing.backfills.summary import PREFIX
from console.access import staff_page
from console.acts import Done, by, carry_out, refused
from console.forms import Input, errors_of, filled, written
from console.queries.backfills import (
    RUNNING,
    backfills,
    first_not_taken,
    line_of,
    lines_of,
    progress_of,
    summary_of,
)
from core import limits
from core.clock import now as present
from core.fields import Fields
from core.ids import parse_public_id, public_id
from core.pages.tables import Column, listing
from core.problems import Invalid, NotFound, Problem
from customers.models import Customer
from metering.backfills.columns import read_how
from metering.backfills.file import keep_whole
from metering.backfills.reading import look_into
from metering.backfills.trouble import FileTrouble, RowTrouble
from metering.models import Backfill

LIST_COLUMNS = (
    Column("made", "Made", order=("created_at", "id"), descending_first=True),
    Column("note", "What"),
    Column("who", "Of", low=True),
    Column("rows", "Rows", number=True, order=("rows_read", "id"), descending_first=True),
    Column("state", "State", order=("state", "id")),
)
STEP_COLUMNS = (
    Column("name", "Customer", order=("customer__name", "customer_id")),
    Column("new", "New rows", number=True, order=("new", "customer_id"), descending_first=True),
    Column("cost", "Cost, USD", number=True, low=True),
    Column("credits", "Credits", number=True, low=True),
    Column("charges", "Charges", number=True),
)
FIRST_ROWS = 5
TEXTS = ("note", "customer", "timezone", "delimiter", "type", "source", "provider", "others", "mapping")
INPUTS = (
    Input("note", "What it is", help="Kept with it: “the queue of 3 November”."),
    Input(
        "customer", "Only this customer", help="The customer’s key; empty where a column of the file says it."
    ),
    Input(
        "timezone",
        "Time zone of times without an offset",
        help="UTC, Europe/Berlin, …; empty: such times are refused.",
    ),
    Input("type", "Type, where no column says it", help="llm.call"),
    Input("provider", "Provider, where no column says it", help="openai, anthropic, …"),
    Input(
        "source",
        "Source, where no column says it",
        help="The source that your own code sends, so that what it has sent is seen.",
    ),
    Input(
        "mapping",
        "Columns by other names",
        kind="lines",
        help="One a line: column = field, such as “tokens in = usage.input”. A hyphen for the field leaves a column out.",
    ),
    Input(
        "others",
        "Columns of no known name",
        kind="select",
        choices=(("ignore", "are left out"), ("properties", "become properties")),
        value="ignore",
    ),
)


@staff_page
def backfill_list(request: HttpRequest) -> HttpResponse:
    page = listing(request, LIST_COLUMNS, backfills(), default="-made")
    return render(request, "console/backfills.html", {"listing": page})


@staff_page
def new_backfill(request: HttpRequest) -> HttpResponse:
    """Take a file in, or only show how its first rows would be read."""
    errors: dict[str, str] = {}
    context: dict[str, object] = {}
    if request.method == "POST":
        try:
            new = _read(request)
            file = request.FILES.get("file")
            if not isinstance(file, UploadedFile):
                raise _no_file(request)
            if request.POST.get("act") == "look":
                context["first"] = _first_rows(file, new)
            else:
                return carry_out(request, lambda: _open(new, file), now=present())
        except Problem as problem:
            errors = errors_of(problem)
    given = {name: request.POST.get(name) for name in TEXTS if name in request.POST}
    context |= {"inputs": filled(INPUTS, given, errors), "errors": errors}
    context |= {"file_error": errors.get("file", ""), "most": limits.BACKFILL_FILE_BYTES_MAX // 2**20}
    return render(request, "console/backfill_new.html", context, status=422 if errors else 200)


@staff_page
def backfill(request: HttpRequest, public: str) -> HttpResponse:
    """One backfill: how far it is, what its rows are, what they change, and what can be done with it."""
    row = _named(public)
    context = {
        "row": row,
        "public": public,
        "running": row.state in RUNNING,
        "progress": progress_of(row),
        "now": present(),
    }
    if row.rows_total is not None:
        page = listing(request, STEP_COLUMNS, lines_of(row), default="-new")
        context |= summary_of(row)
        context |= {"listing": page, "lines": [line_of(step) for step in page.rows]}
        context |= {"wrong": first_not_taken(row)}
    return render(request, "console/backfill.html", context)


@staff_page
def rejected(request: HttpRequest, public: str) -> HttpResponseBase:
    return rejected_csv(_named(public))


@require_POST
@staff_page
def close(request: HttpRequest, public: str) -> HttpResponse:
    chosen = request.POST.get("finalized", Backfill.Finalized.REFUSE)
    if chosen not in Backfill.Finalized.values:
        chosen = Backfill.Finalized.REFUSE
    now, who = present(), by(request)
    return _act(
        request,
        public,
        lambda id: close_backfill(id, finalized=chosen, by=who, now=now),
        "Its rows are being stored, customer by customer.",
        "Not closed",
    )


@require_POST
@staff_page
def revert(request: HttpRequest, public: str) -> HttpResponse:
    now, who = present(), by(request)
    told = "It is being taken back, customer by customer."
    return _act(request, public, lambda id: revert_backfill(id, by=who, now=now), told, "Not reverted")


@require_POST
@staff_page
def discard(request: HttpRequest, public: str) -> HttpResponse:
    return _act(request, public, discard_backfill, "Discarded; nothing of it has counted.", "Not discarded")


def _act(
    request: HttpRequest, public: str, act: Callable[[UUID], Backfill], told: str, said: str
) -> HttpResponse:
    row = _named(public)

    def done() -> Done:
        act(row.id)
        return Done(told, reverse("console:backfill", args=[public]))

    try:
        return carry_out(request, done, now=present())
    except PeriodsInvoiced:
        return redirect("console:backfill", public)
    except Problem as problem:
        return refused(request, problem, said, "console:backfill", public)


def _no_file(request: HttpRequest) -> Problem:
    """What is wrong where none has come: one that is too large is passed over as it comes in."""
    most = limits.BACKFILL_FILE_BYTES_MAX
    if int(request.META.get("CONTENT_LENGTH") or 0) > most:
        detail = f"A file holds at most {most:,} bytes; pack it with gzip, or split it."
        return Invalid.one("file", "too_large", detail)
    return Invalid.one("file", "required", "Choose a file: CSV, packed with gzip or not, or Parquet.")


def _open(new: NewBackfill, file: UploadedFile) -> Done:
    now = present()
    row = create_backfill(new, now=now)
    keep_whole(row.id, file.chunks(limits.BACKFILL_CHUNK_BYTES))
    check_backfill(row.id, now=now)
    told = "Nothing counts yet: the file is being read and tried."
    return Done(told, reverse("console:backfill", args=[public_id(PREFIX, row.id)]))


def _first_rows(file: UploadedFile, new: NewBackfill) -> dict[str, object]:
    """The file's columns, what each is, and its first rows."""
    try:
        opened, rows = look_into(
            cast(BinaryIO, file.file), new.how, rows=FIRST_ROWS, with_customer=new.customer is None
        )
    except FileTrouble as trouble:
        raise Invalid.one("file", "file", str(trouble)) from None
    read = [row for row in rows if not isinstance(row, RowTrouble)]
    return {
        "rows": read,
        "table": [
            {"name": column, "field": name, "cells": [row[column][:80] for row in read]}
            for column, name in opened.columns
        ],
        "faults": [
            f"Row {n}: {row.reason}" for n, row in enumerate(rows, start=1) if isinstance(row, RowTrouble)
        ],
    }


def _read(request: HttpRequest) -> NewBackfill:
    """What is asked for. Raises ``Invalid`` with every field that is wrong."""
    given = written(request.POST, *TEXTS)
    fields = Fields(given)
    key, note = fields.id("customer", ""), fields.text("note", most=limits.REASON_CHARACTERS_MAX, default="")
    customer = Customer.objects.filter(key=key).first() if key else None
    if key and customer is None:
        fields.refuse("customer", "unknown_customer", f"No customer has the key {key[:80]!r}.")
    if fields.errors:
        raise Invalid(fields.errors[0].detail, tuple(fields.errors))
    wishes: dict[str, object] = {
        "mapping": _mapping(given.get("mapping", "")),
        "defaults": {name: given[name] for name in ("type", "source", "provider") if name in given},
    }
    wishes |= {name: given[name] for name in ("timezone", "delimiter", "others") if name in given}
    asked = Fields(wishes)
    how = read_how(asked)
    if asked.errors:
        first = asked.errors[0]
        place = first.field.partition(".")
        name = "mapping" if place[0] == "mapping" else place[2] or place[0]
        raise Invalid.one(
            name, first.code, f"{place[2]}: {first.detail}" if name == "mapping" else first.detail
        )
    return NewBackfill(how, customer, note, by=by(request))


def _mapping(text: str) -> dict[str, str]:
    mapping = {}
    for line in filter(str.strip, text.splitlines()):
        column, equals, name = line.rpartition("=")
        if not equals or not column.strip():
            raise Invalid.one(
                "mapping", "mapping", f"Write column = field; {line.strip()[:80]!r} has no equals sign."
            )
        mapping[column.strip()] = name.strip()
    return mapping


def _named(public: str) -> Backfill:
    row = backfills().filter(id=parse_public_id(PREFIX, public)).first()
    if row is None:
        raise NotFound("There is no such backfill.")
    return row
