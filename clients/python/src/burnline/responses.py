"""What the server reads in a provider's response, and nothing else: no prompt and no answer reaches the disk.

The server finds the usage by the same names, and makes it disjoint; here nothing is added up.
"""

from collections.abc import Mapping
from typing import Any

from burnline.plain_values import Plain, Unwritable, dumped

USAGE = ("usage", "usageMetadata", "usage_metadata", "usage_info", "amazon-bedrock-invocationMetrics")
WRAPPERS = ("response", "message", "body", "result", "metadata")
WRAPPERS_DEEP = 3
NAMES = (
    "id",
    "responseId",
    "response_id",
    "custom_id",
    "model",
    "modelVersion",
    "model_version",
    "service_tier",
    "serviceTier",
    "type",
)
# Beside the usage: calls of hosted tools, drawings, units.
COUNTS = ("tool_usage", "svg_usage", "billableCharacterCount", "billable_character_count")
GROUNDING = ("groundingMetadata", "grounding_metadata")
CHUNKS = ("groundingChunks", "grounding_chunks")
QUERIES = ("webSearchQueries", "web_search_queries")
# The texts in a bare usage object that say what is counted; any other may be an answer.
KINDS = frozenset({"type", "ttl", "modality", "model", "service_tier", "serviceTier", "trafficType", "speed"})
ITEMS_MAX = 1_000


def essence(response: Any) -> dict[str, Any]:
    """The part of a response, or of a bare usage object, that tells what is billed. Raises ``Unwritable``."""
    plain = Plain()
    found = _with_usage(response, plain, WRAPPERS_DEEP)
    return found if found is not None else _bare(response, plain)


def response_id(kept: Mapping[str, Any]) -> str | None:
    """The provider's id of the response, from what ``essence`` kept."""
    for name in ("id", "responseId", "response_id"):
        if isinstance(kept.get(name), str):
            return str(kept[name])
    inner = next((kept[name] for name in WRAPPERS if isinstance(kept.get(name), dict)), None)
    return response_id(inner) if inner is not None else None


def _with_usage(body: Any, plain: Plain, deep: int) -> dict[str, Any] | None:
    for name in USAGE:
        fields = dumped(_get(body, name))
        if isinstance(fields, Mapping):
            return _around(body, plain) | {name: plain.value(fields)}
    if deep == 0:
        return None
    for name in WRAPPERS:
        inner = _get(body, name)
        if inner is None or isinstance(inner, str | bytes | list):
            continue
        kept = _with_usage(inner, plain, deep - 1)
        if kept is not None:
            return _named(body, plain) | {name: kept}
    return None


def _around(body: Any, plain: Plain) -> dict[str, Any]:
    kept = _named(body, plain)
    for name in COUNTS:
        if (value := _get(body, name)) is not None:
            kept[name] = plain.value(dumped(value))
    if isinstance(output := _get(body, "output"), list):
        kept["output"] = [_call(item) for item in output[:ITEMS_MAX]]
    if isinstance(candidates := _get(body, "candidates"), list):
        grounding = [_grounding(candidate) for candidate in candidates[:ITEMS_MAX]]
        kept |= {"candidates": grounding} if any(grounding) else {}
    if isinstance(pictures := _get(body, "data"), list):
        kept["data"] = [{}] * min(len(pictures), ITEMS_MAX)
    if _get(body, "document_annotation") is not None:
        kept["document_annotation"] = True
    if isinstance(metadata := _get(body, "metadata"), Mapping):
        counted = {name: plain.value(metadata[name]) for name in COUNTS if name in metadata}
        kept |= {"metadata": counted} if counted else {}
    return kept


def _named(body: Any, plain: Plain) -> dict[str, Any]:
    kept = {name: plain.value(dumped(value)) for name in NAMES if (value := _get(body, name)) is not None}
    if "id" not in kept and isinstance(aws := _get(body, "ResponseMetadata"), Mapping):
        kept |= {"id": aws["RequestId"]} if isinstance(aws.get("RequestId"), str) else {}
    return kept


def _call(item: Any) -> dict[str, Any]:
    """The kind of one item of an output, which may be a hosted tool's call."""
    kind = {"type": told} if isinstance(told := _get(item, "type"), str) else {}
    action = _get(_get(item, "action"), "type")
    return kind | ({"action": {"type": action}} if isinstance(action, str) else {})


def _grounding(candidate: Any) -> dict[str, Any]:
    """How many searches a candidate rests on: the kinds of its sources, and its questions as mere numbers."""
    name = next((name for name in GROUNDING if _get(candidate, name) is not None), None)
    if name is None:
        return {}
    metadata = _get(candidate, name)
    kept: dict[str, Any] = {}
    for chunks in CHUNKS:
        if isinstance(listed := _get(metadata, chunks), list):
            kinds = ("web", "maps", "retrievedContext", "retrieved_context")
            kept[chunks] = [
                {kind: {} for kind in kinds if _get(chunk, kind) is not None} for chunk in listed[:ITEMS_MAX]
            ]
    for queries in QUERIES:
        if isinstance(listed := _get(metadata, queries), list):
            told = [query for query in listed[:ITEMS_MAX] if isinstance(query, str) and query]
            kept[queries] = [str(number) for number in range(1, len(set(told)) + 1)]
    return {name: kept}


def _bare(usage: Any, plain: Plain) -> dict[str, Any]:
    fields = dumped(usage)
    if not isinstance(fields, Mapping):
        raise Unwritable(f"A {type(usage).__name__} is no response: it tells no usage.")
    kept = _counts_alone(fields, 0)
    kept |= _around(fields, plain) | {name: None for name in USAGE if name in fields}
    if not kept:
        raise Unwritable("It tells no usage.")
    return plain.fields_of(kept)


def _counts_alone(fields: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
    if depth > 6:
        raise Unwritable("It is too deep, or contains itself.")
    kept: dict[Any, Any] = {}
    for name, value in list(fields.items())[:ITEMS_MAX]:
        if name in ("data", "embeddings", "embedding", "choices", "content", "candidates", "output"):
            continue
        if isinstance(value, Mapping):
            kept[name] = _counts_alone(value, depth + 1)
        elif isinstance(value, list | tuple):
            kept[name] = [
                _counts_alone(item, depth + 1) for item in value[:ITEMS_MAX] if isinstance(item, Mapping)
            ]
        elif not isinstance(value, str | bytes) or name in KINDS:
            kept[name] = value
    return kept


def _get(body: Any, name: str) -> Any:
    """A dict's item or an object's attribute, None where there is none."""
    if isinstance(body, Mapping):
        return body.get(name)
    if body is None or isinstance(body, str | bytes | int | float | list | tuple):
        return None
    return getattr(body, name, None)
