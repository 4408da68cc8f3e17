"""What ``/v1/schema`` says about ``/v1/events``, written by hand: the door reads bytes, not serializers."""

from typing import Any

_TEXT = {"type": "string"}
_NUMBER = {"oneOf": [{"type": "string", "pattern": r"^-?\d{1,20}(\.\d{1,18})?$"}, {"type": "number"}]}

FILTERS = {
    "customer": "Key of the customer; required with an operator's key.",
    "since": "Only events that happened at this time or later.",
    "until": "Only events that happened before this time.",
    "type": "Only events of this type.",
    "provider": "Only calls to this provider.",
    "model": "Only calls of this model.",
    "run": "Only steps of this run.",
    "status": "Only events with this status; `unpriced` lists events that wait for a price.",
    "property": "Only events with this property, written `name:value`.",
    "limit": "How many events a page has.",
    "cursor": "The `next` of the page before.",
}

EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["id", "type"],
    "additionalProperties": False,
    "properties": {
        "id": _TEXT | {"maxLength": 255, "description": "Unique within customer and source, for good."},
        "source": _TEXT | {"maxLength": 255, "default": "api"},
        "customer": _TEXT | {"maxLength": 255, "description": "Required with an operator's key."},
        "type": _TEXT | {"maxLength": 120},
        "time": _TEXT | {"format": "date-time"},
        "provider": _TEXT,
        "model": _TEXT,
        "service_tier": _TEXT | {"enum": ["standard", "batch", "flex", "priority"]},
        "usage": {
            "type": "object",
            "additionalProperties": {"oneOf": [*_NUMBER["oneOf"], {"type": "object"}]},
        },
        "response": {"type": "object", "description": "The provider's own response, in place of `usage`."},
        "api": _TEXT,
        "quantity": _NUMBER,
        "status": _TEXT | {"default": "ok"},
        "latency_ms": {"type": "integer", "minimum": 0},
        "hold": _TEXT,
        "response_id": _TEXT
        | {
            "description": "The provider's own id for the call: a report of it by another program is then recognized."
        },
        "run": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": _TEXT,
                "step": {"type": "integer"},
                "attempt": {"type": "integer"},
                "parent": _TEXT,
            },
        },
        "properties": {"type": "object", "maxProperties": 50},
    },
}
_BATCH = {"type": "array", "maxItems": 1000, "items": EVENT}
_EITHER = {
    "oneOf": [EVENT, _BATCH, {"type": "object", "required": ["events"], "properties": {"events": _BATCH}}]
}
CLOUD_EVENT = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": dict.fromkeys(("specversion", "id", "source", "type", "time", "subject"), _TEXT)
    | {"data": {"type": "object"}},
}
BODIES = {
    "application/json": _EITHER,
    "application/x-ndjson": {"type": "string", "description": "One event a line."},
    "application/cloudevents+json": CLOUD_EVENT,
    "application/cloudevents-batch+json": {"type": "array", "items": CLOUD_EVENT},
}

_COUNT = {"type": "integer", "minimum": 0}
_REJECTED = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"index": _COUNT, "id": _TEXT | {"nullable": True}, "code": _TEXT, "detail": _TEXT},
    },
}
TAKEN = {
    "type": "object",
    "properties": {"accepted": _COUNT, "duplicates": _COUNT, "unmatched": _COUNT, "rejected": _REJECTED},
}
_RECEIPTS = {"type": "object", "properties": {"receipts": {"type": "array", "items": {"type": "object"}}}}
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail", "errors"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "code": _TEXT,
        "detail": _TEXT,
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
ANSWERS: dict[Any, Any] = {200: {"oneOf": [TAKEN, _RECEIPTS]}} | {
    (status, "application/problem+json"): _PROBLEM for status in (400, 401, 403, 409, 413, 415, 422, 503)
}
PAGE: dict[Any, Any] = {
    200: {
        "type": "object",
        "properties": {
            "results": {"type": "array", "items": {"type": "object"}},
            "next": _TEXT | {"nullable": True},
        },
    }
} | {(status, "application/problem+json"): _PROBLEM for status in (400, 401, 403, 404, 405, 422, 429, 503)}
