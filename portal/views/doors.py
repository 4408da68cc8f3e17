"""The ways in: by signed link, as a member, and the first page of the house."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from core.clock import now as present
from core.pages.refusals import kept_private, problems_as_pages
from core.problems import NotFound
from customers.portal_links import customer_of_token
from portal.visits import choose, leave, memberships, open_by_link, visit_of


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Everybody's own first page: the console for staff, the portal for members and visitors by link."""
    if request.user.is_authenticated and request.user.is_staff:
        return redirect("console:overview")
    if visit_of(request, present()) is not None:
        return redirect("portal:period")
    if request.user.is_authenticated:
        return redirect("portal:choose")
    return redirect_to_login("/")


@require_GET
@problems_as_pages
def enter(request: HttpRequest, token: str) -> HttpResponseBase:
    try:
        customer, expires_at = customer_of_token(token, now=present())
    except NotFound as problem:
        return kept_private(render(request, "portal/link_over.html", {"problem": problem}, status=404))
    open_by_link(request, customer, expires_at)
    return kept_private(redirect("portal:period"))


@require_POST
def leave_portal(request: HttpRequest) -> HttpResponse:
    leave(request)
    return redirect("portal:home")


@login_required
@require_http_methods(["GET", "POST"])
def choose_customer(request: HttpRequest) -> HttpResponse:
    """For people who belong to several customers, or to none."""
    members = memberships(request)
    if request.method == "POST":
        wanted = request.POST.get("customer", "")
        for member in members:
            if str(member.customer_id) == wanted:
                choose(request, member)
                return redirect("portal:period")
    return render(request, "portal/choose.html", {"members": members})
