"""A ``Problem`` raised behind a page becomes a page that says what happened and what was kept."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render

from core.problems import Problem

View = Callable[..., HttpResponseBase]


def problems_as_pages(view: View) -> View:
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Problem as problem:
            template = "404.html" if problem.status == 404 else "problem.html"
            return render(request, template, {"problem": problem}, status=problem.status)

    return answer


def kept_private(response: HttpResponseBase) -> HttpResponseBase:
    """Pages of money stay out of every cache but the reader's own screen."""
    response["Cache-Control"] = "private, no-store"
    return response
