"""OpenAI's surfaces for sound and pictures: realtime, live, images, transcription, speech."""

from decimal import Decimal

from core.money import ZERO
from metering.formats.usage.fields import Fields, UsageError
from metering.formats.usage.normalized import Reading, UsagePart
from metering.formats.usage.openai import read_tokens, service_tier
from metering.formats.usage.reply import Reply, short_text


def read_realtime(reply: Reply) -> Reading:
    """Realtime sessions: tokens by modality, cached ones too; a live session tells its seconds instead."""
    return read_seconds(reply) if reply.usage.has("seconds") else read_tokens(reply)


def read_images(reply: Reply) -> Reading:
    """Images, made or edited. What comes out is a picture, unless the details say otherwise.

    Models that count no tokens bill each picture. A vector drawing has a model and a usage of its own.
    """
    if not reply.usage.has("input_tokens"):
        pictures = reply.body.get("data")
        if not isinstance(pictures, list):
            raise UsageError(
                reply.usage.path_of("input_tokens"), "It is missing; so are the pictures, as `data`."
            )
        reply.usage.skip(*reply.usage.keys())
        return Reading(parts=[UsagePart(reply.model, {"images": Decimal(len(pictures))})])
    reading = read_tokens(reply)
    if not reply.usage.has("output_tokens_details"):
        part = reading.parts[0]
        picture = part.buckets.get("output", ZERO)
        reading.parts[0] = UsagePart(part.model, part.buckets | {"output": ZERO, "output_image": picture})
    _drawing(reply, reading)
    return reading


def read_transcription(reply: Reply) -> Reading:
    """Transcription: tokens, or seconds, as `usage.type` says. Tokens of no told kind are flagged."""
    usage = reply.usage
    if not usage.has("input_tokens"):
        return read_seconds(reply)
    reading = read_tokens(reply)
    if not usage.has("input_token_details") and not usage.has("input_tokens_details"):
        reading.flag(f"unknown:{usage.path_of('input_token_details')}")
    return reading


def read_seconds(reply: Reply) -> Reading:
    """Sound billed by time: `usage.seconds`, or the `duration` of older answers. Raises ``UsageError``."""
    usage = reply.usage
    name = "duration" if usage.has("duration") and not usage.has("seconds") else "seconds"
    if not usage.has(name):
        raise UsageError(usage.path_of("seconds"), "It is missing; write the seconds of audio, such as 12.4.")
    seconds = usage.quantity(name)
    if name == "duration":  # the answer itself, in which the words have times, too
        usage.skip(*usage.keys())
    return Reading(
        parts=[UsagePart(reply.model, {"audio_seconds": seconds})], service_tier=service_tier(reply)
    )


def read_speech(reply: Reply) -> Reading:
    """Speech. The API answers with sound alone, so the caller counts characters; or tokens, newer."""
    usage = reply.usage
    if usage.has("input_tokens"):
        return read_tokens(reply)
    if not usage.has("characters"):
        raise UsageError(usage.path_of("characters"), "It is missing; count the characters that were spoken.")
    return Reading(parts=[UsagePart(reply.model, {"characters": usage.quantity("characters")})])


def _drawing(reply: Reply, reading: Reading) -> None:
    drawn = Fields(reply.body, reply.path).child("svg_usage")
    if not drawn.value:
        return
    name = drawn.value.get("model")
    model = short_text(name, drawn.path_of("model")) if name is not None else None
    inner = Reply(drawn.value, drawn.path, drawn, model, None)
    reading.parts.extend(read_tokens(inner).parts)
