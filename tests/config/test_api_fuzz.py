"""Every operation of the published schema under generated requests, right and wrong ones: the answer is never a 5xx, and is
always one that the schema tells of.

``BURNLINE_FUZZ_EXAMPLES`` sets how many requests each operation gets, ``BURNLINE_FUZZ_PATHS`` which paths, as a pattern.
"""

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
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


@pytest.fixture
def schema(db: None) -> Any:
    from config.wsgi import application

    return schemathesis.openapi.from_wsgi("/v1/schema", application).include(path_regex=PATHS)


api = schemathesis.pytest.from_fixture("schema")


@api.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_schema_tells_of(case: Case, operator_api: Any) -> None:
    case.call_and_validate(headers=operator_api.headers, checks=CHECKS)
