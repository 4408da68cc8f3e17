"""Mistral: chat in OpenAI's shape, with seconds of audio and connectors beside it; pages of OCR."""

from decimal import Decimal

from metering.formats.usage.fields import Fields
from metering.formats.usage.normalized import Reading, UsagePart, added
from metering.formats.usage.openai import read_tokens
from metering.formats.usage.reply import Reply

_CONNECTORS = {
    "web_search": "web_search",
    "web_search_premium": "web_search",
    "code_interpreter": "code_execution",
}


def read_mistral(reply: Reply) -> Reading:
    """Chat, embeddings, transcription, conversations, OCR. Raises ``UsageError``."""
    usage = reply.usage
    if usage.has("pages_processed"):
        return _pages(reply)
    reading = read_tokens(reply, place="by_total")
    connectors = usage.child("connectors")
    calls = [{bucket: connectors.count(name)} for name, bucket in _CONNECTORS.items()]
    seconds = {"audio_seconds": usage.quantity("prompt_audio_seconds")}
    # What connectors read is in no other count and Mistral does not say at which price: it stays unread, so
    # flagged.
    part = reading.parts[0]
    reading.parts[0] = UsagePart(part.model, added([part.buckets, seconds, *calls]))
    return reading


def _pages(reply: Reply) -> Reading:
    usage = reply.usage
    pages = usage.count("pages_processed")
    usage.skip("doc_size_bytes")
    buckets: dict[str, Decimal] = {"pages": pages}
    if Fields(reply.body, reply.path).has("document_annotation"):
        buckets["annotated_pages"] = pages
    return Reading(parts=[UsagePart(reply.model, buckets)])
