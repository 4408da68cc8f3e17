"""What is answered where no view is, or where one failed: problems under the API's addresses, pages elsewhere."""

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views import defaults

from core.http.handler import PROBLEM_TYPE
from core.problems import Malformed, NotFound, Problem

API_PATHS = ("/v1/", "/api/")


class InternalError(Problem):
    """A bug of ours: nothing that a client can send should lead here."""

    status = 500
    code = "internal_error"
    title = "Something went wrong on our side"


class WrongHost(Problem):
    status = 400
    code = "wrong_host"
    title = "This installation does not answer under that name"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API_PATHS):
        return _problem(NotFound("There is nothing at this address; see /v1/docs for what there is."))
    return defaults.page_not_found(request, exception)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith(API_PATHS):
        if isinstance(exception, DisallowedHost):
            return _problem(
                WrongHost(
                    "Burnline does not answer under this name; its operator names it in BURNLINE_HOSTS."
                )
            )
        return _problem(Malformed("The request cannot be read."))
    return defaults.bad_request(request, exception)


def failed(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(API_PATHS):
        return _problem(InternalError("The request failed; it is in the log under its X-Request-Id."))
    return defaults.server_error(request)


def _problem(problem: Problem) -> HttpResponse:
    return JsonResponse(problem.as_json(), status=problem.status, content_type=PROBLEM_TYPE)
