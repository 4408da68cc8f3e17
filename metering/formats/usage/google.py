"""Google's generateContent and live sessions, from Gemini or Vertex.

The prompt's count holds cached tokens; thoughts and the prompts of tools are counted beside it. Lists by
modality may be partial: what they do not name is text.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from metering.formats.usage.disjoint import Prompt, answer_buckets, check_total, prompt_buckets
from metering.formats.usage.fields import Fields
from metering.formats.usage.normalized import Reading, UsagePart, added
from metering.formats.usage.reply import Reply, short_text

# Pages of a document are priced as images.
_MODALITIES = {"AUDIO": "audio", "IMAGE": "image", "DOCUMENT": "image", "VIDEO": "video"}
_TEXT = ("TEXT", "MODALITY_UNSPECIFIED", None)

_SOME_COUNT = ("promptTokenCount", "candidatesTokenCount", "responseTokenCount", "totalTokenCount")

# Provisioned throughput is paid by the month, whatever goes through it.
_TIERS = {
    "ON_DEMAND": "standard",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "PROVISIONED_THROUGHPUT": "provisioned",
}
_NO_TIER = "_UNSPECIFIED"

# Gemini 3 bills each search query; the generations before, each prompt that was grounded, whatever it
# searched.
_BILLED_BY_PROMPT = re.compile(r"gemini-[12][.-]")


class GoogleFields:
    """Google's usage under one spelling: the REST API writes camelCase, the Python SDK snake_case."""

    def __init__(self, usage: Fields) -> None:
        self.usage = usage
        self._snake = any("_token" in name for name in usage.keys())  # noqa: SIM118 (Fields is no mapping)

    def spelled(self, name: str) -> str:
        """The name as this usage spells it."""
        return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name) if self._snake else name

    def count(self, name: str) -> Decimal:
        """A whole number, zero or more."""
        return self.usage.count(self.spelled(name))

    def path_of(self, name: str) -> str:
        """Where it stands."""
        return self.usage.path_of(self.spelled(name))

    def modalities(self, name: str, reading: Reading) -> dict[str, Decimal]:
        """A list of counts by modality, without text; a modality we do not know is flagged."""
        counts: list[dict[str, Decimal]] = []
        for entry in self.usage.children(self.spelled(name)):
            modality = entry.text("modality")
            number = entry.count(self.spelled("tokenCount"))
            if modality in _MODALITIES:
                counts.append({_MODALITIES[modality]: number})
            elif modality not in _TEXT and number:
                reading.flag(f"unknown:{entry.path}")
        return added(counts)


def read_generate_content(reply: Reply) -> Reading:
    """generateContent, its stream's last chunk, and live sessions. Raises ``UsageError``."""
    usage = GoogleFields(reply.usage)
    reading = Reading(service_tier=_tier(reply.usage, usage))
    prompt = _prompt(usage, reading)
    # A live session calls the candidates its response.
    side = "response" if reply.usage.has(usage.spelled("responseTokenCount")) else "candidates"
    spoken = usage.count(f"{side}TokenCount")
    thoughts = usage.count("thoughtsTokenCount")
    answer = answer_buckets(
        spoken,
        usage.path_of(f"{side}TokenCount"),
        modalities=usage.modalities(f"{side}TokensDetails", reading),
    )
    check_total(
        usage.count("totalTokenCount"),
        prompt.total + spoken + thoughts,
        path=usage.path_of("totalTokenCount"),
        reading=reading,
    )
    buckets = prompt_buckets(prompt, reading) | answer | {"reasoning": thoughts}
    reading.parts.append(UsagePart(reply.model, buckets | _grounding(reply)))
    return reading


def read_embeddings(reply: Reply) -> Reading:
    """embedContent on Vertex, which bills characters; tokens where it tells none."""
    metadata = Fields(reply.body, reply.path).child("metadata")
    characters = metadata.first("billableCharacterCount", "billable_character_count")
    if not characters:
        return read_generate_content(reply)
    reply.usage.skip(*reply.usage.keys())
    return Reading(parts=[UsagePart(reply.model, {"characters": characters})])


def _prompt(usage: GoogleFields, reading: Reading) -> Prompt:
    if not any(usage.usage.has(usage.spelled(name)) for name in _SOME_COUNT):
        usage.usage.required(usage.spelled("promptTokenCount"))
    told = usage.count("promptTokenCount")  # zeros are left out of Google's JSON
    tools = usage.count("toolUsePromptTokenCount")
    return Prompt(
        told + tools,
        usage.path_of("promptTokenCount"),
        modalities=added(
            [
                usage.modalities("promptTokensDetails", reading),
                usage.modalities("toolUsePromptTokensDetails", reading),
            ]
        ),
        cached=usage.count("cachedContentTokenCount"),
        cached_modalities=usage.modalities("cacheTokensDetails", reading),
    )


def _tier(bare: Fields, usage: GoogleFields) -> str | None:
    traffic = bare.text(usage.spelled("trafficType")) or _NO_TIER
    if traffic.endswith(_NO_TIER):
        tier = bare.text(usage.spelled("serviceTier")) or _NO_TIER
        told = not tier.upper().endswith(_NO_TIER)
        return short_text(tier.lower(), usage.path_of("serviceTier")) if told else None
    return _TIERS.get(traffic.upper(), short_text(traffic.lower(), usage.path_of("trafficType")))


def _grounding(reply: Reply) -> dict[str, Decimal]:
    """Searches of the web and of the map: they are in no usage object, only beside the candidates."""
    queries: set[str] = set()
    maps = 0
    for metadata in _grounding_metadata(reply.body):
        chunks = _list(metadata.get("groundingChunks") or metadata.get("grounding_chunks"))
        kinds = {kind for chunk in chunks if isinstance(chunk, Mapping) for kind in chunk}
        if "maps" in kinds:
            maps = 1  # billed by prompt
        if "maps" not in kinds or "web" in kinds:
            asked = _list(metadata.get("webSearchQueries") or metadata.get("web_search_queries"))
            queries.update(query for query in asked if isinstance(query, str) and query)
    searches = len(queries)
    if searches and _BILLED_BY_PROMPT.search(reply.model or ""):
        searches = 1
    return {"web_search": Decimal(searches), "maps_search": Decimal(maps)}


def _grounding_metadata(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for candidate in _list(body.get("candidates")):
        if isinstance(candidate, Mapping):
            metadata = candidate.get("groundingMetadata") or candidate.get("grounding_metadata")
            if isinstance(metadata, Mapping):
                yield metadata


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
