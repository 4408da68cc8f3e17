"""What ``/v1/schema`` says about the doors for Lago's and OpenMeter's clients."""

from typing import Any

from metering.api.events_schema import CLOUD_EVENT
from metering.api.telemetry_schema import problems
from metering.formats.lago import AMOUNT

_TEXT = {"type": "string"}
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["transaction_id", "external_subscription_id", "code"],
    "additionalProperties": False,
    "properties": {
        "transaction_id": _TEXT | {"maxLength": 255},
        "external_subscription_id": _TEXT | {"description": "Key of a subscription, else of a customer."},
        "code": _TEXT | {"maxLength": 120},
        "timestamp": {
            "oneOf": [_TEXT, {"type": "number"}],
            "description": "Seconds since 1970; now, if absent.",
        },
        AMOUNT: _TEXT,
        "properties": {"type": "object", "maxProperties": 50},
    },
}
_ONE = {"type": "object", "required": ["event"], "properties": {"event": _EVENT}}
_SEVERAL = {
    "type": "object",
    "required": ["events"],
    "properties": {"events": {"type": "array", "maxItems": 1000, "items": _EVENT}},
}
_REFUSED = {
    "type": "object",
    "properties": {
        "status": {"type": "integer"},
        "error": _TEXT,
        "code": _TEXT,
        "error_details": {"type": "object"},
    },
}
BODIES = {
    "application/json": {"oneOf": [_ONE, CLOUD_EVENT, {"type": "array", "items": CLOUD_EVENT}]},
    "application/cloudevents+json": CLOUD_EVENT,
    "application/cloudevents-batch+json": {"type": "array", "items": CLOUD_EVENT},
}
BATCH_BODIES = {"application/json": _SEVERAL}
ANSWERS: dict[Any, Any] = {
    200: {"type": "object"},
    204: None,
    (422, "application/json"): _REFUSED,
} | problems(400, 409, 422)
BATCH_ANSWERS: dict[Any, Any] = {200: {"type": "object"}, (422, "application/json"): _REFUSED} | problems(400)
