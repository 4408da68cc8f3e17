"""Which surface a usage came from: by the provider's and the API's names, and by the names of its fields."""

import re

from metering.formats.usage.fields import Fields, UsageError

# Providers go by several names; what is not here is its own family, read in OpenAI's shape.
_FAMILIES = {
    "openai": ("azure", "azure-openai", "azure-ai-openai", "azure-ai", "azure-ai-inference"),
    "anthropic": ("claude",),
    "google": (
        "gemini",
        "vertex",
        "vertex-ai",
        "google-vertex",
        "google-gla",
        "gcp-gemini",
        "gcp-vertex-ai",
        "gcp-gen-ai",
        "google-genai",
    ),
    "bedrock": ("aws", "aws-bedrock", "amazon", "amazon-bedrock", "bedrock-converse"),
    "mistral": ("mistralai", "mistral-ai"),
    "xai": ("x-ai", "grok"),
    "perplexity": ("perplexity-ai",),
    "cohere": ("cohere-chat",),
}
_FAMILY = {alias: family for family, aliases in _FAMILIES.items() for alias in aliases}

# An API is named as its provider's documentation names it, often with a path or a method; these words decide,
# the first that is found.
API_WORDS = (
    ("litellm", "litellm"),
    ("opentelemetry", "telemetry"),
    ("converse", "converse"),
    ("invoke", "invoke"),
    ("realtime", "realtime"),
    ("live", "realtime"),
    ("generatecontent", "generate"),
    ("responses", "responses"),
    ("messages", "messages"),
    ("transcri", "transcription"),
    ("translation", "transcription"),
    ("speech", "speech"),
    ("tts", "speech"),
    ("image", "images"),
    ("embed", "embeddings"),
    ("ocr", "pages"),
    ("completion", "chat"),
    ("chat", "chat"),
)

_TIER = re.compile(r"service_tier=([a-z_]{1,20})")

# The shape decides alone where two surfaces count the same words differently, whatever the API is said to be.
TELLING = (
    ("promptTokenCount", "generate"),
    ("totalTokenCount", "generate"),
    ("usageMetadata", "generate"),
    ("prompt_token_count", "generate"),
    ("candidates_token_count", "generate"),
    ("billed_units", "billed_units"),
    ("inputTokens", "converse"),
    ("pages_processed", "pages"),
    ("characters", "speech"),
)
SHAPES = (
    ("prompt_tokens", "chat"),
    ("cache_read_input_tokens", "messages"),
    ("cache_creation_input_tokens", "messages"),
    ("cache_creation", "messages"),
    ("server_tool_use", "messages"),
    ("input_token_details", "realtime"),
    ("input_tokens", "responses"),
    ("seconds", "transcription"),
    ("duration", "transcription"),
    ("meta", "billed_units"),
    ("generation_token_count", "invoke"),
    ("inputTextTokenCount", "invoke"),
    ("inputTokenCount", "invoke"),
    ("data", "images"),
    ("total_tokens", "embeddings"),
)


def family_of(provider: str) -> str:
    """The provider under our one name for it.

    >>> family_of("Azure_OpenAI"), family_of("gcp.vertex_ai"), family_of("groq")
    ('openai', 'google', 'groq')
    """
    name = re.sub(r"[^a-z0-9]+", "-", provider.lower()).strip("-")
    return _FAMILY.get(name, name)


def kind_of(api: str, family: str, usage: Fields) -> str:
    """The surface's kind: by a telling field, by the API's name, by the fields."""
    named = next((kind for word, kind in API_WORDS if word in api.replace("_", "")), None)
    if named == "invoke" or family == "bedrock" and usage.has("prompt_token_count"):
        return "invoke"
    if named == "embeddings" and family in ("google", "bedrock"):
        return named
    telling = next((kind for field, kind in TELLING if usage.has(field)), None)
    if telling:
        return telling
    if named in ("chat", "responses") and usage.has("input_tokens") and usage.has("cache_read_input_tokens"):
        return "messages"  # only Anthropic's shape has both, and it counts them apart
    shape = named or next((kind for field, kind in SHAPES if usage.has(field)), None)
    if shape is None:
        raise UsageError(
            usage.path,
            "No usage is in it that we know. Send the provider's response or its usage object, such as "
            '{"prompt_tokens": 24, "completion_tokens": 8}.',
        )
    if named or shape != "responses":
        return shape
    if family in ("anthropic", "bedrock"):
        return "messages"
    return "images" if _of_pictures(usage) else shape


def _of_pictures(usage: Fields) -> bool:
    """Whether this is the usage of an image call: its details tell text from image, and no cache."""
    details = usage.child("input_tokens_details")
    return details.has("image_tokens") and details.has("text_tokens") and not details.has("cached_tokens")


def tier_of(told: str | None, api: str, *, from_batch: bool) -> str | None:
    """The tier in our words. A batch answers `default`, so being one outweighs what it says.

    >>> tier_of("default", "chat", from_batch=False), tier_of("default", "batch chat", from_batch=False)
    ('standard', 'batch')
    """
    if from_batch or "batch" in api:
        return "batch"
    named = _TIER.search(api)
    tier = (told or (named[1] if named else "")).lower()
    return {"default": "standard", "auto": "standard", "standard_only": "standard", "": None}.get(tier, tier)
