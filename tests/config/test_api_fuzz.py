"""Every operation of the published schema under generated requests, right and wrong ones: the answer is never
a 5xx, and is always one that the schema tells of.

``BURNLINE_FUZZ_EXAMPLES`` sets how many requests each operation gets, ``BURNLINE_FUZZ_PATHS`` which paths, as
a pattern.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Api, an_api

EXAMPLES = int(os.environ.get("BURNLINE_FUZZ_EXAMPLES", "6"))
PATHS = os.environ.get("BURNLINE_FUZZ_PATHS", "^/(v1|api)/")
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

pytestmark = pytest.mark.slow


def operations() -> list[Any]:
    schema = schemathesis.openapi.from_dict(SchemaGenerator().get_schema(public=True)).include(
        path_regex=PATHS
    )
    schema.app = get_wsgi_application()
    found = (result.ok() for result in schema.get_all_operations())
    return [pytest.param(operation, id=operation.label) for operation in found]


@pytest.fixture(scope="module")
def api(made_for_the_module: None) -> Api:
    """An operator's key."""
    return an_api()


@pytest.fixture(scope="module")
def known_objects(api: Api) -> dict[str, Any]:
    """Objects to ask for, and the parameters of the path that lead to them: guessing one is hopeless."""
    meter = {"key": "known", "event_type": "llm.call", "aggregation": "count"}
    plan = {
        "key": "known",
        "name": "Known",
        "charges": [{"key": "calls", "meter": "known", "model": "per_unit", "unit_price": "1"}],
    }
    for path, body in [
        ("/v1/customers", {"key": "known", "name": "Known"}),
        ("/v1/meters", meter),
        ("/v1/plans", plan),
        ("/v1/plans/known/versions/1/publish", {}),
        ("/v1/plans/known/versions", plan),
        ("/v1/value-events", {"key": "known", "event_type": "llm.call"}),
        ("/v1/events", {"id": "known", "customer": "known", "type": "llm.call", "run": {"id": "known"}}),
    ]:
        assert api.post(path, body).status_code in (200, 201), path
    api.post("/v1/events", {"id": "bad", "customer": "known", "type": "llm.call", "quantity": "x"})
    return {
        "key": "known",
        "number": 1,
        "/v1/runs": "known",
        "/v1/events": "known",
        "/v1/events/rejected": api.get("/v1/events/rejected").json()["results"][0]["id"],
        "/v1/backfills": api.post("/v1/backfills", {}).json()["id"],
    }


@pytest.fixture
def one_connection(known_objects: dict[str, Any], db: None) -> Iterator[None]:
    """The end of a request would close the connection that holds the transactions.

    Django's test client holds it back too, and lets it loose again: so the known objects are made before.
    """
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation", operations())
def test_every_answer_is_one_that_the_schema_tells_of(
    operation: Any,
    mode: GenerationMode,
    api: Api,
    known_objects: dict[str, Any],
    one_connection: None,
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: Case) -> None:
        if mode is GenerationMode.POSITIVE:
            case.path_parameters |= {
                name: value for name, value in known_objects.items() if name in case.path_parameters
            }
            places = [place for place in known_objects if case.path.startswith(f"{place}/{{id}}")]
            if places:
                case.path_parameters["id"] = known_objects[places[0]]
            if "customer" in case.query:
                case.query["customer"] = "known"
        case.call_and_validate(headers=api.headers, checks=CHECKS)

    ask()
