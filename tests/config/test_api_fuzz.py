"""Every operation of the published schema under generated requests, right and wrong ones: the answer is never a 5xx, and is
always one that the schema tells of.

``BURNLINE_FUZZ_EXAMPLES`` sets how many requests each operation gets, ``BURNLINE_FUZZ_PATHS`` which paths, as a pattern.
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

EXAMPLES = int(os.environ.get("BURNLINE_FUZZ_EXAMPLES", "10"))
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


@pytest.fixture
def one_connection(db: None) -> Iterator[None]:
    """The end of a request would close the connection that holds the test's own transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("operation", operations())
def test_every_answer_is_one_that_the_schema_tells_of(
    operation: Any, mode: GenerationMode, one_connection: None, operator_api: Any
) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def ask(case: Case) -> None:
        case.call_and_validate(headers=operator_api.headers, checks=CHECKS)

    ask()
