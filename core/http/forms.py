"""The form of a page, read before anything asks for it, so that refusing its body is an answer and no failure."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.shortcuts import render

from core import limits
from core.problems import Unavailable


class FormMiddleware:
    """Stands before the check of a form's origin, the first to read one. Views without that check read by themselves."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if request.method != "POST" or getattr(view, "csrf_exempt", False):
            return None
        try:
            request.POST  # noqa: B018  # reads the body
        except UnreadablePostError:
            return None  # cut off on its way: the check of its origin will refuse it
        except Unavailable as problem:
            response = render(request, "problem.html", {"problem": problem}, status=problem.status)
            response["Retry-After"] = str(limits.UNAVAILABLE_RETRY_SECONDS)
            return response
        return None
