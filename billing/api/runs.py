"""``/v1/runs``: agents' runs with what they took, and one run as a tree."""

from decimal import Decimal
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.attribution_schema import RunListSchema, RunTreeSchema
from billing.api.reading import customer_asked_for, visible_text
from billing.api.usage import CUSTOMER, SPAN
from billing.attribution.run_trees import Attempt, Node, Step, run_steps, run_tree
from billing.attribution.runs import FAILED_RUN, OK, Figures, Run, RunFilter, runs_page
from billing.attribution.span import read_span
from billing.rating import catch_up
from core import limits
from core.clock import now
from core.http.pagination import encode_cursor, page_request
from core.http.queries import query_of
from core.http.schema import PAGE_PARAMETERS, refusals
from core.http.views import ApiView, credential_of
from core.money import plain, shown
from core.problems import Invalid
from core.times import render_time

STATUS = OpenApiParameter("status", str, enum=[OK, FAILED_RUN], description="how it ended")
COST_MIN = OpenApiParameter("min_cost", str, description="in USD; for operators")


def figures_json(figures: Figures, *, for_operator: bool) -> dict[str, Any]:
    """The figures as the API shows them: to customers without cost."""
    told: dict[str, Any] = {
        "events": figures.events,
        "tokens": plain(figures.tokens),
        "credits": plain(figures.credits),
        "failed": {"events": figures.failed, "credits": plain(figures.failed_credits)},
        "retries": {"events": figures.retries, "credits": plain(figures.retry_credits)},
    }
    if for_operator:
        told["cost"] = shown(figures.cost)
        told["failed"]["cost"] = shown(figures.failed_cost)
        told["retries"]["cost"] = shown(figures.retry_cost)
    return told


def run_json(run: Run, *, for_operator: bool) -> dict[str, Any]:
    """A run as the API shows it, with its own events' figures."""
    return {
        "id": run.id,
        "customer": run.customer,
        "parent": run.parent or None,
        "status": run.status,
        "started_at": render_time(run.started_at),
        "ended_at": render_time(run.ended_at),
        "seconds": plain(run.seconds),
        "steps": run.steps,
    } | figures_json(run.own, for_operator=for_operator)


def _node_json(node: Node, *, for_operator: bool) -> dict[str, Any]:
    whole = figures_json(node.whole, for_operator=for_operator)
    return run_json(node.run, for_operator=for_operator) | {"depth": node.depth, "whole": whole}


def _attempt_json(attempt: Attempt, *, for_operator: bool) -> dict[str, Any]:
    told = figures_json(attempt.figures, for_operator=for_operator)
    kept = ("events", "tokens", "credits", "cost")
    return {
        "attempt": attempt.number,
        "status": attempt.status,
        "started_at": render_time(attempt.started_at),
        "latency_ms": attempt.latency_ms,
    } | {name: told[name] for name in kept if name in told}


def _step_json(step: Step, *, for_operator: bool) -> dict[str, Any]:
    attempts = [_attempt_json(attempt, for_operator=for_operator) for attempt in step.attempts]
    return {"step": step.number, "status": step.status, "attempts": attempts}


class RunsView(ApiView):
    @extend_schema(
        tags=["attribution"],
        summary="List runs, the latest started first",
        description="Runs with an event in the span, each told whole. Cost is for operators.",
        operation_id="listRuns",
        parameters=[CUSTOMER, *SPAN, STATUS, COST_MIN, *PAGE_PARAMETERS],
        responses={200: RunListSchema, **refusals(404, 422)},
    )
    def get(self, request: Request) -> Response:
        at = now()
        query, credential = query_of(request), credential_of(request)
        customer = customer_asked_for(query, credential)
        asked = RunFilter(
            customer,
            read_span(query, customer, at, most=limits.RUNS_SPAN_DAYS_MAX),
            query.choice("status", ("", OK, FAILED_RUN), ""),
            query.number("min_cost", None, least=Decimal(0)),
        )
        if asked.cost_min is not None and not credential.is_operator:
            query.refuse("min_cost", "operators", "Cost is shown to operators' keys alone.")
        page = page_request(query)
        query.done()
        if customer is not None:
            catch_up(customer.id, at)
        runs, after = runs_page(asked, page)
        return Response(
            {
                "results": [run_json(run, for_operator=credential.is_operator) for run in runs],
                "next": encode_cursor(after) if after else None,
            }
        )


class RunView(ApiView):
    @extend_schema(
        tags=["attribution"],
        summary="One run as a tree",
        description=(
            "The run, the runs it started and theirs, each after the one that started it (`depth`), with its own figures and, "
            "in `whole`, those of all below it. `results` pages through the run's own steps and their attempts."
        ),
        operation_id="getRun",
        parameters=[CUSTOMER, *PAGE_PARAMETERS],
        responses={200: RunTreeSchema, **refusals(404, 422)},
    )
    def get(self, request: Request, id: str) -> Response:
        at = now()
        query, credential = query_of(request), credential_of(request)
        customer = customer_asked_for(query, credential)
        page = page_request(query)
        query.done()
        if customer is None:
            raise Invalid.one("customer", "required", "Say whose run: several customers may use the same id.")
        catch_up(customer.id, at)
        operator = credential.is_operator
        tree = run_tree(customer, visible_text(id, "run"))
        steps, after = run_steps(customer, tree.root.run.id, page)
        return Response(
            run_json(tree.root.run, for_operator=operator)
            | {
                "whole": figures_json(tree.root.whole, for_operator=operator),
                "failed_runs": {"runs": len(tree.failed_runs)}
                | figures_json(tree.failed, for_operator=operator),
                "tree": [_node_json(node, for_operator=operator) for node in tree.nodes],
                "complete": tree.complete,
                "results": [_step_json(step, for_operator=operator) for step in steps],
                "next": encode_cursor(after) if after else None,
            }
        )
