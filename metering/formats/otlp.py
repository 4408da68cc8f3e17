"""OTLP's ``ExportTraceServiceRequest``, in protobuf and in JSON, down to the attributes that somebody asks for.

Instrumentations put whole prompts into attributes. Only attributes with a wanted name, and of these only plain values,
ever leave this module.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from core.problems import Malformed

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
# Of an attribute's text; the ids and names that are read are shorter.
TEXT_CHARACTERS_MAX = 255

Value = str | bool | int | Decimal
# Whether an attribute of this name is read.
Wanted = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Span:
    """A span as far as it is read. Ids are lower-case hexadecimal, empty where absent; times are nanoseconds since 1970.

    ``attributes`` are the span's wanted ones, ``resource`` those of what sent it.
    """

    trace_id: str
    span_id: str
    parent_id: str
    scope: str
    started_ns: int
    ended_ns: int
    failed: bool
    attributes: Mapping[str, Value]
    resource: Mapping[str, Value]


def read_protobuf(body: bytes, wanted: Wanted) -> Iterator[Span]:
    """The spans of a protobuf body. Raises ``Malformed``."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise Malformed(f"The body is not an ExportTraceServiceRequest: {error}.") from None
    for of_resource in request.resource_spans:
        resource = _values(of_resource.resource.attributes, wanted)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield _from_message(span, of_scope.scope.name, resource, wanted)


def _from_message(span: SpanMessage, scope: str, resource: Mapping[str, Value], wanted: Wanted) -> Span:
    return Span(
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        scope,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.status.code == Status.STATUS_CODE_ERROR,
        _values(span.attributes, wanted),
        resource,
    )


def _values(attributes: Iterable[KeyValue], wanted: Wanted) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for attribute in attributes:
        if wanted(attribute.key):
            value = attribute.value
            match value.WhichOneof("value"):
                case "string_value":
                    found[attribute.key] = value.string_value
                case "bool_value":
                    found[attribute.key] = value.bool_value
                case "int_value":
                    found[attribute.key] = value.int_value
                case "double_value":
                    # The shortest digits that mean this double: what the sender wrote.
                    found[attribute.key] = Decimal(repr(value.double_value))
    return found


_FAILED = (Status.STATUS_CODE_ERROR, str(Status.STATUS_CODE_ERROR), "STATUS_CODE_ERROR")

# JSON, as OTLP maps it: lowerCamelCase names, ids in hexadecimal, 64-bit integers as text or number; names that are not
# known are passed over.


class _Json(msgspec.Struct, rename="camel"):
    pass


class _AnyValue(_Json):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: Any = None


class _Attribute(_Json):
    key: str = ""
    value: _AnyValue | None = None


class _Status(_Json):
    # A number by the protocol; some write its name.
    code: int | str | None = None


class _Span(_Json):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[_Attribute] | None = None
    status: _Status | None = None


class _Scope(_Json):
    name: str | None = None


class _ScopeSpans(_Json):
    scope: _Scope | None = None
    spans: list[_Span] | None = None


class _Resource(_Json):
    attributes: list[_Attribute] | None = None


class _ResourceSpans(_Json):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None


class _Request(_Json):
    resource_spans: list[_ResourceSpans] | None = None


_decode = msgspec.json.Decoder(_Request, float_hook=Decimal).decode


def read_json(body: bytes, wanted: Wanted) -> Iterator[Span]:
    """The spans of a JSON body. Raises ``Malformed``."""
    try:
        request = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"The body is not an ExportTraceServiceRequest in JSON: {error}.") from None
    for of_resource in request.resource_spans or ():
        resource = _plain_values(of_resource.resource.attributes if of_resource.resource else None, wanted)
        for of_scope in of_resource.scope_spans or ():
            scope = (of_scope.scope.name if of_scope.scope else None) or ""
            for span in of_scope.spans or ():
                yield _from_json(span, scope, resource, wanted)


def _from_json(span: _Span, scope: str, resource: Mapping[str, Value], wanted: Wanted) -> Span:
    return Span(
        (span.trace_id or "").lower(),
        (span.span_id or "").lower(),
        (span.parent_span_id or "").lower(),
        scope,
        _integer(span.start_time_unix_nano, "startTimeUnixNano"),
        _integer(span.end_time_unix_nano, "endTimeUnixNano"),
        bool(span.status and span.status.code in _FAILED),
        _plain_values(span.attributes, wanted),
        resource,
    )


def _plain_values(attributes: list[_Attribute] | None, wanted: Wanted) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for attribute in attributes or ():
        if wanted(attribute.key) and attribute.value is not None:
            value = _plain_value(attribute.value, attribute.key)
            if value is not None:
                found[attribute.key] = value
    return found


def _plain_value(value: _AnyValue, key: str) -> Value | None:
    if value.string_value is not None:
        return value.string_value
    if value.bool_value is not None:
        return value.bool_value
    if value.int_value is not None:
        return _integer(value.int_value, key)
    # "NaN" and "Infinity" come as text; no attribute that is read can hold them.
    double = value.double_value
    return double if isinstance(double, Decimal | int) and not isinstance(double, bool) else None


def as_json(span: Span) -> dict[str, Any]:
    """The span alone, as an ``ExportTraceServiceRequest`` in JSON that ``read_json`` reads back."""
    told = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "startTimeUnixNano": str(span.started_ns),
        "endTimeUnixNano": str(span.ended_ns),
        "attributes": _as_attributes(span.attributes),
        "status": {"code": Status.STATUS_CODE_ERROR} if span.failed else {},
    }
    scopes = [{"scope": {"name": span.scope}, "spans": [told]}]
    return {
        "resourceSpans": [{"resource": {"attributes": _as_attributes(span.resource)}, "scopeSpans": scopes}]
    }


def _as_attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _as_value(value)} for key, value in values.items()]


def _as_value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return (
        {"doubleValue": value} if isinstance(value, Decimal) else {"stringValue": value[:TEXT_CHARACTERS_MAX]}
    )


def _integer(value: Any, name: str) -> int:
    written = str(value or 0)
    if len(written) > 20 or not written.removeprefix("-").isdecimal() or not written.isascii():
        raise Malformed(f"{name} is not a 64-bit integer, as a number or as text.")
    return int(written)
