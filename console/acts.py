"""Acts of a page: carried out once, however often the button is pressed, and told on the page that follows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url

from core.idempotency import Answer, Once, check_key, request_hash, run_once
from core.problems import Problem

# The fields of a form that are not part of what is asked.
MARK, TOKEN = "once", "csrfmiddlewaretoken"


@dataclass(frozen=True)
class Done:
    """What was done, as a sentence, and the address of the page that shows it."""

    told: str
    to: str


def carry_out(
    request: HttpRequest, act: Callable[[], Done], *, now: datetime, customer_id: int = 0
) -> HttpResponse:
    """Do what the form asks and go on to the page that shows it.

    A form that carries ``{% once %}`` is carried out once: sent again unchanged it leads to the same page and does
    nothing; sent again with other words in it, it is another request. Raises what ``act`` raises.
    """
    asked = {name: values for name, values in request.POST.lists() if name not in (MARK, TOKEN)}
    mark = request.POST.get(MARK, "")
    match = request.resolver_match
    if not mark or match is None:
        done = act()
    else:
        hashed = request_hash(request.path, asked)
        once = Once(
            customer_id, request.user.pk or 0, f"page {match.route}"[:120], f"{mark}:{hashed.hex()}", hashed
        )
        check_key(once.key)

        def answer() -> Answer:
            first = act()
            return Answer(303, {"told": first.told, "to": first.to})

        body = run_once(once, answer, now=now).body
        done = Done(str(body["told"]), str(body["to"]))
    messages.success(request, done.told)
    return redirect(done.to)


def refused(request: HttpRequest, problem: Problem, said: str, to: str, *args: object) -> HttpResponse:
    """Back to the page ``to``, saying what was not done and why. ``said`` opens the sentence: "Not applied"."""
    wrong = [f"{error.field}: {error.detail}" for error in problem.errors if error.field]
    messages.error(request, f"{said}: {'; '.join(wrong) or problem.detail}")
    return redirect(resolve_url(to, *args))


def by(request: HttpRequest) -> str:
    """Who acts, as it is kept beside what was done."""
    return str(request.user)[:200]
