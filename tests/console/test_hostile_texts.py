"""Whatever texts come from outside, no page runs them, no file calculates them, and no address makes an error of ours."""

import csv
import io
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from billing.credits.grants import NewGrant, grant_credits
from billing.models import Subscription, ValueEvent
from billing.statements.add_ons import NewAddOn, add_add_on
from console.urls import urlpatterns
from core.due_work import run_due
from core.ids import public_id
from core.money import ONE
from core.pages.spreadsheet import FORMULA_STARTS
from customers.api_keys import create_api_key
from customers.models import Customer
from metering.events import store_events
from metering.models import Event, EventConflict, RejectedEvent
from pricing.models import BurnTable, Plan
from tests.billing.backfills.world import KINDS
from tests.billing.world import call
from tests.portal.world import Company

TAG = '"><script>alert(1)</script><img/src=x/onerror=alert(1)>{{7*7}}'
SUM = '=HYPERLINK("http://evil.example","click")'
NUL = "\x00"
ODD = (NUL, "\ud800", "9" * 400, "²", "'; DROP TABLE x; --%s", "2026-02-30")
ASKED = (
    *("q", "page", "sort", "format", "before", "cursor", "limit", "show", "state", "status", "days"),
    *("customer", "plan", "provider", "model", "type", "source", "door", "code", "since", "until", "window"),
    *("by", "by2", "measure", "from", "to", "step", "path1", "rule1", "value1", "min_cost", "event", "layer"),
    *("key", "with", "corrects", "copy", "credit_price", "floor", "first", "last", "reason", "currency"),
)
FIELDS = (
    *ASKED,
    *("name", "note", "timezone", "amount", "priority", "quantity", "body", "json", "rates", "rest"),
)


def plain_pages() -> list[str]:
    """Every address without a parameter."""
    return [f"/{pattern.pattern}" for pattern in urlpatterns if "<" not in str(pattern.pattern)]


@pytest.fixture
def pages(operator: Client, operator_api: Any, acme: Company, globex: Company) -> list[str]:
    """Acme's everything is a tag, Globex's a formula; and every page that shows any of it."""
    pages = plain_pages()
    Plan.objects.update(name=TAG)
    BurnTable.objects.update(name=TAG)
    for company, text in ((acme, TAG), (globex, SUM)):
        pages += told_by(company, text, operator, operator_api)
    return [
        *pages,
        "/console/plans/pro",
        "/console/plans/pro/versions/1",
        "/console/plans/pro/versions/1/move",
    ]


def told_by(company: Company, text: str, operator: Client, api: Any) -> list[str]:
    customer, now = company.customer, company.now
    Customer.objects.filter(id=customer.id).update(name=text)
    create_api_key(name=text, scopes=["read"], now=now, customer=customer)
    grant_credits(customer.id, NewGrant(key=text[:40], amount=ONE, starts_at=now, name=text), now=now)
    subscription = Subscription.objects.get(customer=customer)
    extra = NewAddOn(key="a", name=text, amount=ONE, quantity=ONE, recurring=True, starts_at=now)
    add_add_on(subscription, extra, now=now)
    named = {"customer": customer.key, "provider": text[:60], "model": text, "properties": {text[:60]: text}}
    at = now - timedelta(hours=1)
    store_events([call(text, at, type=text, run_id=text, usage={"output": 1}, **named)], now=now)
    same = {"id": text, "source": "test", "type": "other", "customer": customer.key}
    assert api.post("/v1/events", same).status_code == 409
    api.post("/v1/events", same | {"quantity": text, text: text})
    api.post("/v1/events", {"id": text, "type": text, "customer": text})
    ValueEvent.objects.create(
        **{"key": f"k{customer.id}", "name": text, "event_type": text, "links": ["run.id"], "window_days": 7},
        created_at=now,
    )
    rows = f'id,customer,type,time,"{text.replace(chr(34), chr(34) * 2)}"\nx,{customer.key},y,soon,=1+1\n'
    form = {"note": text, "file": SimpleUploadedFile(f"{text}.csv", rows.encode()), "others": "properties"}
    backfill = operator.post("/console/backfills/new", form)["Location"]
    asked = {"first": "2026-01-01", "reason": text, "customer": customer.key}
    re_rating = operator.post("/console/re-ratings/new", asked)["Location"]
    run_what_is_due(now)
    place = f"/console/customers/{customer.id}"
    event = Event.objects.get(customer_id=customer.id, event_id=text)
    conflict = EventConflict.objects.get(customer_id=customer.id, event_id=text)
    return [
        *(backfill, f"{backfill}/rejected.csv", re_rating, place, f"{place}/credits"),
        *(f"{place}/subscriptions/new", f"{place}/subscriptions/{public_id('sub', subscription.id)}"),
        *(f"/console/events/{customer.id}/{event.seq}", f"/console/events?customer={customer.key}"),
        *(reverse("console:conflict", args=[customer.id, conflict.id]),),
        *(reverse("console:run", args=[customer.id, text]), f"/console/value?event=k{customer.id}&by=model"),
        *(f"/console/explore?customer={customer.key}&by={name}" for name in ("model", "type", "run.id")),
        *(f"/console/refused/{row.id}" for row in RejectedEvent.objects.filter(customer_id=customer.id)),
        f"/console/invoices/{customer.id}/{public_id('inv', company.invoice.id)}",
    ]


def run_what_is_due(now: Any) -> None:
    while run_due(now, kinds=KINDS):
        pass


def body_of(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())


def test_no_page_runs_a_text_and_no_file_calculates_one(operator: Client, pages: list[str]) -> None:
    files = 0
    for path in [*pages, *(f"{path}{'&' if '?' in path else '?'}format=csv" for path in pages)]:
        answer: Any = operator.get(path)
        assert answer.status_code in (200, 404, 405), (path, answer.status_code)
        body = body_of(answer)
        if not answer["Content-Type"].startswith("text/csv"):
            assert "<script>alert" not in body and "<img/src" not in body, path
            continue
        files += 1
        for row in csv.reader(io.StringIO(body)):
            formulas = [cell for cell in row if cell.startswith(FORMULA_STARTS) and not is_number(cell)]
            assert not formulas, (path, formulas)
    assert files > 10


def is_number(cell: str) -> bool:
    return cell.removeprefix("-").replace(".", "", 1).isdigit()


def test_an_odd_address_is_no_error_of_ours(operator: Client, acme: Company) -> None:
    single = [
        "/console/burn-tables/standard",
        *(f"/console/plans/pro/versions/{end}" for end in ("1", "new", "1/move")),
    ]
    single += [f"/console/customers/{acme.customer.id}/credits", place_of_subscription(acme)]
    for path in [*plain_pages(), *single]:
        asked = [dict.fromkeys(ASKED, odd) for odd in ODD]
        asked += [{name: NUL} for name in ("customer", "plan", "provider", "model")]
        for query in asked:
            answer = operator.get(f"{path}?{written(query)}")
            assert answer.status_code < 500, (path, query)


def test_an_odd_form_is_no_error_of_ours(operator: Client, acme: Company) -> None:
    place, own = place_of_subscription(acme), f"/console/customers/{acme.customer.id}"
    acts = [f"{place}/{act}" for act in ("change", "own-terms", "add-ons", "add-ons/end")]
    acts += [f"{own}/{act}" for act in ("api-keys", "credits", "subscriptions/new")]
    acts += [f"/console/plans/pro/versions/{act}" for act in ("new", "1/move", "1/retire")]
    acts += ["/console/burn-tables/standard/versions/new"]
    for path in [*plain_pages(), *acts]:
        for odd in ODD[:3]:
            form = written(dict.fromkeys(FIELDS, odd) | {"do": "save"})
            answer = operator.post(path, form, content_type="application/x-www-form-urlencoded")
            assert answer.status_code < 500, (path, odd, answer.content[:300])


def place_of_subscription(company: Company) -> str:
    subscription = Subscription.objects.get(customer=company.customer)
    return f"/console/customers/{company.customer.id}/subscriptions/{public_id('sub', subscription.id)}"


def written(fields: dict[str, str]) -> str:
    """As a browser that breaks the rules would write them: halves of characters included."""
    return urlencode(fields, errors="surrogatepass")
