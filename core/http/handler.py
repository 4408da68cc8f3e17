"""Every refusal as ``application/problem+json``, whoever raised it."""

from typing import Any

import psycopg
import structlog
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, InternalError, OperationalError
from django.http import Http404
from psycopg_pool import PoolTimeout
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from core import limits
from core.problems import Forbidden, Malformed, NotFound, Problem, TooManyRequests, Unauthorized, Unavailable

log = structlog.get_logger("burnline.api")
PROBLEM_TYPE = "application/problem+json"


class MethodNotAllowed(Problem):
    status = 405
    code = "method_not_allowed"
    title = "This address does not take that method"


class NotAcceptable(Problem):
    status = 406
    code = "not_acceptable"
    title = "None of the accepted types can be produced"


class UnsupportedMediaType(Problem):
    status = 415
    code = "unsupported_media_type"
    title = "The body's type is not one that is read"


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's exception handler. None, so that the error stays an error, for what is a bug of ours."""
    problem = _problem_of(error)
    if problem is None:
        return None
    set_rollback()
    response = Response(problem.as_json(), status=problem.status, content_type=PROBLEM_TYPE)
    if isinstance(problem, Unauthorized):
        response["WWW-Authenticate"] = 'Bearer realm="Burnline"'
    if isinstance(problem, Unavailable):
        response["Retry-After"] = str(limits.UNAVAILABLE_RETRY_SECONDS)
    if isinstance(error, exceptions.MethodNotAllowed):
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    if "retry_after_seconds" in problem.extra:
        response["Retry-After"] = str(problem.extra["retry_after_seconds"])
    return response


def _problem_of(error: Exception) -> Problem | None:
    if isinstance(error, Problem):
        return error
    if _is_outage(error):
        log.warning("database_unavailable", error=str(error)[:500])
        return Unavailable("The database did not answer in time; nothing was stored. Try again shortly.")
    if isinstance(error, Http404):
        return NotFound("There is no such object.")
    if isinstance(error, PermissionDenied):
        return Forbidden("That is not allowed.")
    if isinstance(error, SuspiciousOperation):
        return Malformed("The request cannot be read.")
    if isinstance(error, exceptions.APIException):
        return _from_framework(error)
    return None


def _from_framework(error: exceptions.APIException) -> Problem:
    detail = str(error.detail)
    match error:
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(detail)
        case exceptions.NotAcceptable():
            return NotAcceptable("Answers are application/json; accept that.")
        case exceptions.UnsupportedMediaType():
            return UnsupportedMediaType(f"{detail} Send application/json.")
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthorized(detail)
        case exceptions.PermissionDenied():
            return Forbidden(detail)
        case exceptions.NotFound():
            return NotFound(detail)
        case exceptions.Throttled():
            return TooManyRequests(
                detail, extra={"retry_after_seconds": int(getattr(error, "wait", None) or 1)}
            )
        case _:
            return Malformed(detail)


def _is_outage(error: Exception) -> bool:
    """Away, overloaded, deadlocked, out of time, or read-only: all pass, and none of them stored anything."""
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return True
    cause = error.__cause__
    if isinstance(error, InternalError):
        return isinstance(cause, psycopg.errors.ReadOnlySqlTransaction)
    return isinstance(error, DatabaseError) and isinstance(cause, psycopg.OperationalError)
