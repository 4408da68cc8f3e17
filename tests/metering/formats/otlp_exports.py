"""Trace exports as instrumentations write them."""

import base64
import json
import time
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

STARTED = time.time_ns() - 60 * 10**9
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5",
    "gen_ai.response.model": "gpt-5-2025-08-07",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.usage.input_tokens": 2006,
    "gen_ai.usage.output_tokens": 300,
}


def value(plain: Any) -> dict[str, Any]:
    if isinstance(plain, bool):
        return {"boolValue": plain}
    if isinstance(plain, int):
        return {"intValue": str(plain)}
    if isinstance(plain, float):
        return {"doubleValue": plain}
    return {"stringValue": plain}


def attributes(plain: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": value(one)} for key, one in plain.items() if one is not None]


def span(told: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    plain = {
        "traceId": "18516ee7e4c4880caaf1651e4df54a36",
        "spanId": "3ed6728d593e173f",
        "name": "chat gpt-5",
        "startTimeUnixNano": str(STARTED),
        "endTimeUnixNano": str(STARTED + 14_928_013),
        "attributes": attributes(CALL if told is None else told),
    }
    return plain | fields


def export(*spans: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    told = {"customer.id": "acme", "service.name": "shop"} if resource is None else resource
    scopes = [{"scope": {"name": "my.instrumentation"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": {"attributes": attributes(told)}, "scopeSpans": scopes}]}


def as_protobuf(body: dict[str, Any]) -> bytes:
    """OTLP's JSON writes ids in hexadecimal, where protobuf's own mapping has base64."""
    written = json.loads(json.dumps(body), object_hook=_base64_ids)
    return ParseDict(written, ExportTraceServiceRequest()).SerializeToString()


def _base64_ids(item: dict[str, Any]) -> dict[str, Any]:
    for name in ("traceId", "spanId", "parentSpanId"):
        if item.get(name):
            item[name] = base64.b64encode(bytes.fromhex(item[name])).decode()
    return item
