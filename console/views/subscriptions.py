"""One subscription: its plan, its own terms, its add-ons, and every act on it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from billing.models import Subscription
from billing.rating import catch_up
from billing.reading import NOW, PERIOD_END, read_add_on, read_overrides, read_subscription
from billing.recounts.recounting import cancel_and_recount, change_and_recount, start_and_count
from billing.statements.add_ons import add_add_on, end_add_on
from billing.subscriptions.lifecycle import STARTS, plan_version_to_sell
from billing.subscriptions.overrides import set_overrides
from console.access import staff_page
from console.acts import Done, carry_out, refused
from console.forms import Input, day_start, errors_of, filled, read_day, written
from console.queries.subscriptions import plans_to_sell, subscription_page, would_have_cost
from core.clock import now as present
from core.due_work import run_due
from core.fields import Fields
from core.http.credentials import SCOPES, Credential
from core.ids import parse_public_id, public_id
from core.problems import NotFound, Problem
from core.times import render_time
from customers.models import Customer
from customers.queries import customer_by_id

PREFIX = "sub"
WHEN = (("period_end", "with its next period"), ("now", "now"))
OWN_TERMS = (
    Input("discount_percent", "Discount, %"),
    Input("cap", "Cap of the margin floor"),
    Input("commitment.amount", "Commitment a period"),
    Input("margin_floor.rate", "Margin floor", help="0.40 for 40 %"),
    Input(
        "margin_floor.on_breach",
        "Below the floor",
        kind="select",
        choices=(
            ("alert", "only alert"),
            ("bill", "bill the difference"),
            ("absorb", "carry the difference"),
        ),
    ),
)
ADD_ON = (
    Input("key", "Key", help="Your own id for it: backups"),
    Input("name", "Name", help="As it stands on the invoice"),
    Input("amount", "Price of one"),
    Input("quantity", "How many", value="1"),
    Input("recurring", "Billed", kind="select", choices=(("true", "every period"), ("false", "once"))),
)
NEW = (
    Input("key", "Key", help="Your own id for it; empty: the customer’s key."),
    Input("first", "From the day", kind="date", help="Empty: today."),
)


@staff_page
def subscription(request: HttpRequest, customer_id: int, public: str) -> HttpResponse:
    """The page of one subscription; with ``?plan=key`` also what its last period would have cost by that plan."""
    found, now = _named(customer_id, public), present()
    catch_up(customer_id, now)
    page = subscription_page(found)
    asked = request.GET.get("plan", "")
    context: dict[str, Any] = {
        "page": page,
        "subscription": found,
        "customer": found.customer,
        "zone": found.timezone,
        "public": public,
        "now": now,
        "plans": plans_to_sell(found),
        "asked": asked,
        "when": WHEN,
        "own_terms": filled(OWN_TERMS, page.own_terms, {}),
        "add_on": ADD_ON,
    }
    if asked:
        context["compared"] = would_have_cost(found, plan_version_to_sell(asked))
    return render(request, "console/subscription.html", context)


@staff_page
def new_subscription(request: HttpRequest, customer_id: int) -> HttpResponse:
    customer = customer_by_id(customer_id)
    errors: dict[str, str] = {}
    now = present()
    if request.method == "POST":
        try:
            return _start(request, customer, now)
        except Problem as problem:
            errors = errors_of(problem)
    given = {name: request.POST.get(name) for name in request.POST}
    choices = tuple((version.plan.key, str(version)) for version in plans_to_sell(customer))
    inputs = filled((Input("plan", "Plan", kind="select", choices=choices), *NEW), given, errors)
    context = {"customer": customer, "inputs": inputs, "errors": errors, "any": bool(choices)}
    return render(request, "console/subscription_new.html", context, status=422 if errors else 200)


def _start(request: HttpRequest, customer: Customer, now: datetime) -> HttpResponse:
    fields = Fields(written(request.POST, "first"))
    day = read_day(fields, "first")
    fields.done()
    told = written(request.POST, "plan", "key") | {"customer": customer.key}
    if day is not None:
        told["starts_at"] = render_time(day_start(day, customer.timezone))
    new = read_subscription(Fields(told), Credential(0, None, frozenset(SCOPES)), now)

    def act() -> Done:
        started = start_and_count(new, now=now)
        to = reverse("console:subscription", args=[customer.id, public_id(PREFIX, started.id)])
        return Done(f"{customer.name} has {new.plan_version} now.", to)

    answer = carry_out(request, act, now=now, customer_id=customer.id)
    run_due(now, customer_id=customer.id, kinds=[STARTS])
    return answer


@require_POST
@staff_page
def change(request: HttpRequest, customer_id: int, public: str) -> HttpResponse:
    def act(found: Subscription, now: datetime) -> str:
        version = plan_version_to_sell(request.POST.get("plan", ""))
        change_and_recount(found, version, at=_at(request, found, now), now=now)
        return f"The plan becomes {version} {dict(WHEN)[_when(request)]}."

    return _act(request, customer_id, public, "Not changed", act)


@require_POST
@staff_page
def cancel(request: HttpRequest, customer_id: int, public: str) -> HttpResponse:
    def act(found: Subscription, now: datetime) -> str:
        cancel_and_recount(found, at=_at(request, found, now), now=now)
        return "It ends now." if _when(request) == NOW else "It ends with this period."

    return _act(request, customer_id, public, "Not ended", act)


@require_POST
@staff_page
def own_terms(request: HttpRequest, customer_id: int, public: str) -> HttpResponse:
    def act(found: Subscription, now: datetime) -> str:
        given = written(request.POST, *(field.name for field in OWN_TERMS))
        terms: dict[str, Any] = {name: text for name, text in given.items() if "." not in name}
        if "commitment.amount" in given:
            terms["commitment"] = {"amount": given["commitment.amount"]}
        if "margin_floor.rate" in given:
            names = ("rate", "on_breach")
            terms["margin_floor"] = {name: given.get(f"margin_floor.{name}", "alert") for name in names}
        set_overrides(found, read_overrides(terms), next_period=_when(request) == PERIOD_END, now=now)
        return "Its own terms are set." if terms else "It has no terms of its own any more."

    return _act(request, customer_id, public, "Not set", act)


@require_POST
@staff_page
def add_on(request: HttpRequest, customer_id: int, public: str) -> HttpResponse:
    def act(found: Subscription, now: datetime) -> str:
        told: dict[str, Any] = written(request.POST, *(field.name for field in ADD_ON))
        told["recurring"] = told.get("recurring") == "true"
        added = add_add_on(found, read_add_on(Fields(told), now), now=now)
        return f"{added.name} is added and billed with the period in which it runs."

    return _act(request, customer_id, public, "Not added", act)


@require_POST
@staff_page
def end(request: HttpRequest, customer_id: int, public: str) -> HttpResponse:
    def act(found: Subscription, now: datetime) -> str:
        ended = end_add_on(found, request.POST.get("key", ""), at=_at(request, found, now))
        return f"{ended.name} ends."

    return _act(request, customer_id, public, "Not ended", act)


def _act(
    request: HttpRequest,
    customer_id: int,
    public: str,
    refusal: str,
    act: Callable[[Subscription, datetime], str],
) -> HttpResponse:
    """One act on the subscription, its periods opened up to now, and back to its page."""
    found, now = _named(customer_id, public), present()
    catch_up(customer_id, now)
    found.refresh_from_db()
    to = reverse("console:subscription", args=[customer_id, public])
    try:
        return carry_out(request, lambda: Done(act(found, now), to), now=now, customer_id=customer_id)
    except Problem as problem:
        return refused(request, problem, refusal, "console:subscription", customer_id, public)


def _when(request: HttpRequest) -> str:
    return NOW if request.POST.get("when") == NOW else PERIOD_END


def _at(request: HttpRequest, found: Subscription, now: datetime) -> datetime:
    return now if _when(request) == NOW else found.period_end


def _named(customer_id: int, public: str) -> Subscription:
    rows = Subscription.objects.select_related("customer")
    found = rows.filter(customer_id=customer_id, id=parse_public_id(PREFIX, public)).first()
    if found is None:
        raise NotFound("There is no such subscription.")
    return found
