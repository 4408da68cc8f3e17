from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.visits import Visit, portal_page


@portal_page
def period(request: HttpRequest, visit: Visit) -> HttpResponse:
    return render(request, "portal/period.html", {"visit": visit})
