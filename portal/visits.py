"""Whose portal a session may see: the customer of a signed link, or one that the signed-in person is a member of.

Each request looks again: a link ends at its expiry or when the customer's links are cut off, a membership when it is
taken away. Everything a portal page reads starts from ``Visit.customer``.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

from core.clock import now as present
from core.pages.refusals import View, kept_private, problems_as_pages
from customers.models import Customer, Member

LINK = "portal_link"
CHOSEN = "portal_customer"


@dataclass(frozen=True)
class Visit:
    """One request to a customer's portal. ``member`` is None for visitors by link."""

    customer: Customer
    member: Member | None
    now: datetime

    @property
    def zone(self) -> str:
        return self.customer.timezone


def open_by_link(request: HttpRequest, customer: Customer, expires_at: datetime) -> None:
    """Limit this session to the link's customer, until the link ends."""
    request.session.cycle_key()
    request.session[LINK] = {
        "customer": customer.id,
        "epoch": customer.portal_epoch,
        "expires_at": int(expires_at.timestamp()),
    }


def leave(request: HttpRequest) -> None:
    request.session.pop(LINK, None)
    request.session.pop(CHOSEN, None)


def choose(request: HttpRequest, member: Member) -> None:
    """Someone who is a member of several customers picks one."""
    request.session.pop(LINK, None)
    request.session[CHOSEN] = member.customer_id


def memberships(request: HttpRequest) -> list[Member]:
    if not request.user.is_authenticated:
        return []
    mine = Member.objects.filter(user_id=request.user.pk)
    return list(mine.select_related("customer").order_by("customer__name", "id"))


def visit_of(request: HttpRequest, now: datetime) -> Visit | None:
    by_link = _customer_of_link(request, now)
    if by_link is not None:
        return Visit(by_link, None, now)
    members = memberships(request)
    chosen = request.session.get(CHOSEN)
    for member in members:
        if len(members) == 1 or member.customer_id == chosen:
            return Visit(member.customer, member, now)
    return None


def portal_page(view: View) -> View:
    """Hands the visit to the view as ``visit``; without one, leads to where one can be had."""
    answered = problems_as_pages(view)

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        visit = visit_of(request, present())
        if visit is None:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            return redirect("portal:choose")
        return kept_private(answered(request, *args, visit=visit, **kwargs))

    return answer


def _customer_of_link(request: HttpRequest, now: datetime) -> Customer | None:
    link = request.session.get(LINK)
    if not link or now >= datetime.fromtimestamp(link["expires_at"], UTC):
        return None
    return Customer.objects.filter(id=link["customer"], portal_epoch=link["epoch"]).first()
