"""What ``/v1/schema`` says about the doors for gateways and instrumentations, whose own documentation says the rest."""

from typing import Any

from core.http.schema import ProblemSchema
from metering.api.events_schema import TAKEN

_OBJECT: dict[str, Any] = {"type": "object"}
_BYTES: dict[str, Any] = {"type": "string", "format": "binary"}


def problems(*statuses: int) -> dict[Any, Any]:
    return {
        (status, "application/problem+json"): ProblemSchema for status in (401, 403, 413, 415, 503, *statuses)
    }


LITELLM_BODIES = {
    "application/json": {"oneOf": [_OBJECT, {"type": "array", "items": _OBJECT}]},
    "application/x-ndjson": {"type": "string", "description": "One payload a line."},
}
LITELLM_ANSWERS: dict[Any, Any] = {200: TAKEN} | problems(400, 409, 422)

_STATUS = {"type": "object", "properties": {"message": {"type": "string"}}}
_EXPORTED = {
    "type": "object",
    "properties": {
        "partialSuccess": {
            "type": "object",
            "properties": {"rejectedSpans": {"type": "string"}, "errorMessage": {"type": "string"}},
        }
    },
}
TRACES_BODIES = {"application/x-protobuf": _BYTES, "application/json": _OBJECT}
TRACES_ANSWERS: dict[Any, Any] = {
    (200, "application/json"): _EXPORTED,
    (200, "application/x-protobuf"): _BYTES,
} | {(status, "application/json"): _STATUS for status in (400, 401, 403, 413, 415, 429, 503)}
