"""Which reader reads which surface: by provider and API; where no API is told, by the usage's shape."""

from collections.abc import Callable, Mapping
from typing import Any

from core.money import exact
from metering.formats.usage import (
    anthropic,
    bedrock,
    cohere,
    compatible,
    google,
    litellm,
    media,
    mistral,
    openai,
    telemetry,
)
from metering.formats.usage.fields import UsageError
from metering.formats.usage.kinds import family_of, kind_of, tier_of
from metering.formats.usage.normalized import (
    FLAGS_MAX,
    MAPPING_VERSION,
    NormalizedUsage,
    Reading,
    UsagePart,
    added,
)
from metering.formats.usage.reply import Reply, open_reply

Surface = Callable[[Reply], Reading]

ANY = "*"

SURFACES: Mapping[tuple[str, str], Surface] = {
    ("openai", "chat"): openai.read_chat,
    ("openai", "responses"): openai.read_responses,
    (ANY, "embeddings"): openai.read_embeddings,
    (ANY, "realtime"): media.read_realtime,
    (ANY, "images"): media.read_images,
    (ANY, "transcription"): media.read_transcription,
    (ANY, "speech"): media.read_speech,
    (ANY, "messages"): anthropic.read_messages,
    ("anthropic", "chat"): anthropic.read_messages,
    ("anthropic", "responses"): anthropic.read_messages,
    (ANY, "generate"): google.read_generate_content,
    ("google", "embeddings"): google.read_embeddings,
    ("google", "realtime"): google.read_generate_content,
    (ANY, "converse"): bedrock.read_converse,
    ("bedrock", "embeddings"): bedrock.read_invoke_model,
    (ANY, "invoke"): bedrock.read_invoke_model,
    ("cohere", "chat"): cohere.read_billed_units,
    ("cohere", "embeddings"): cohere.read_billed_units,
    (ANY, "billed_units"): cohere.read_billed_units,
    ("mistral", "chat"): mistral.read_mistral,
    ("mistral", "transcription"): mistral.read_mistral,
    (ANY, "pages"): mistral.read_mistral,
    ("deepseek", "chat"): compatible.read_deepseek,
    ("xai", "chat"): compatible.read_xai,
    ("xai", "responses"): compatible.read_xai,
    ("xai", "messages"): compatible.read_xai,
    ("openrouter", "chat"): compatible.read_openrouter,
    ("openrouter", "responses"): compatible.read_openrouter,
    ("openrouter", "messages"): compatible.read_openrouter,
    ("perplexity", "chat"): compatible.read_perplexity,
    ("perplexity", "responses"): compatible.read_perplexity,
    (ANY, "chat"): compatible.read_compatible,
    (ANY, "responses"): compatible.read_compatible,
    (ANY, "litellm"): litellm.read_litellm,
    ("anthropic", "telemetry"): telemetry.read_anthropic_counts,
    ("bedrock", "telemetry"): telemetry.read_anthropic_counts,
    (ANY, "telemetry"): telemetry.read_counts,
}


@exact
def normalize(provider: str, api: str | None, response: Mapping[str, Any]) -> NormalizedUsage:
    """The disjoint buckets of a provider's response, its stream's last event, or its bare usage.

    ``api`` names the surface (``chat.completions``, ``responses``, ``messages``, ``generateContent``,
    ``Converse``...); without one, or with one we do not know, the fields decide. It may carry what the
    response leaves out: ``batch`` and ``service_tier=flex``. Raises ``UsageError``, and nothing else, for
    whatever cannot be read.

    >>> usage = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}}
    >>> normalize("openai", "chat.completions", usage).buckets
    {'input': Decimal('4'), 'cache_read': Decimal('6'), 'output': Decimal('4')}
    """
    if not isinstance(provider, str) or not provider:
        raise UsageError("provider", 'Name the provider, such as "openai".')
    if api is not None and not isinstance(api, str):
        raise UsageError("api", 'Name the surface, such as "chat.completions", or leave it out.')
    if not isinstance(response, Mapping):
        raise UsageError("response", "Write the provider's response, or its usage, as an object.")
    said = (api or "").lower()[:200]
    family = family_of(provider)
    through_litellm = family == "litellm" or "litellm" in said
    reply = litellm.open_payload(response) if through_litellm else open_reply(response)
    kind = "litellm" if through_litellm else kind_of(said, family, reply.usage)
    surface = SURFACES.get((family, kind)) or SURFACES[ANY, kind]
    return _closed(reply, surface(reply), said)


def _closed(reply: Reply, reading: Reading, api: str) -> NormalizedUsage:
    """The reading without empty buckets, with what nobody read flagged."""
    for path in reply.usage.unread():
        reading.flag(f"unknown:{path}")
    flags = reading.flags
    if len(flags) > FLAGS_MAX:
        # The ones that keep an event from counting as priced must survive the cut.
        flags = sorted(flags, key=lambda flag: not flag.startswith(("unknown:", "mismatch:")))[:FLAGS_MAX]
    parts = tuple(UsagePart(part.model, added([part.buckets])) for part in reading.parts)
    added(part.buckets for part in parts)
    return NormalizedUsage(
        parts=parts,
        flags=tuple(flags),
        model=reply.model,
        response_id=reply.response_id,
        service_tier=tier_of(reading.service_tier, api, from_batch=reply.from_batch),
        mapping_version=MAPPING_VERSION,
        reported_cost=reading.reported_cost,
    )
