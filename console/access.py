"""Who may open the console: the operator's own people."""

from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.pages.refusals import View, kept_private, problems_as_pages


def staff_page(view: View) -> View:
    """Lets signed-in staff in; sends everybody else to sign in, and refuses those who are signed in but not staff."""
    answered = problems_as_pages(view)

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not request.user.is_staff:
            raise PermissionDenied
        return kept_private(answered(request, *args, **kwargs))

    return answer
