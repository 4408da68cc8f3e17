from decimal import Decimal

import pytest

from metering.formats.usage import UsageError, normalize


def test_realtime_keeps_modalities_apart_cached_and_not() -> None:
    event = {
        "type": "response.done",
        "response": {
            "id": "resp_1",
            "usage": {
                "total_tokens": 253,
                "input_tokens": 132,
                "output_tokens": 121,
                "input_token_details": {
                    "text_tokens": 119,
                    "audio_tokens": 13,
                    "image_tokens": 0,
                    "cached_tokens": 64,
                    "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4, "image_tokens": 0},
                },
                "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
            },
        },
    }

    found = normalize("openai", "realtime", event)

    assert found.buckets == {
        "input": 59,
        "cache_read": 60,
        "input_audio": 9,
        "cache_read_audio": 4,
        "output": 30,
        "output_audio": 91,
    }
    assert found.flags == ()


def test_a_live_session_bills_seconds() -> None:
    event = {"type": "session.usage_updated", "usage": {"seconds": Decimal("12.4")}}

    assert normalize("openai", "live", event).buckets == {"audio_seconds": Decimal("12.4")}


def test_pictures_come_out_as_image_tokens_unless_told_otherwise() -> None:
    usage = {
        "total_tokens": 100,
        "input_tokens": 50,
        "output_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    }

    assert normalize("openai", "images", usage).buckets == {
        "input": 10,
        "input_image": 40,
        "output_image": 50,
    }
    told = usage | {"output_tokens_details": {"text_tokens": 20, "image_tokens": 30}}
    assert normalize("openai", "images", told).buckets["output"] == 20


def test_a_vector_drawing_is_billed_as_its_own_model() -> None:
    response = {
        "created": 1,
        "usage": {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11},
        "svg_usage": {
            "model": "gpt-draw",
            "input_tokens": 7,
            "output_tokens": 9,
            "reasoning_tokens": 4,
            "total_tokens": 16,
        },
    }

    found = normalize("openai", "images", response)

    assert [(part.model, part.buckets) for part in found.parts] == [
        (None, {"input": 5, "output_image": 6}),
        ("gpt-draw", {"input": 7, "output": 5, "reasoning": 4}),
    ]


def test_models_without_tokens_bill_each_picture() -> None:
    response = {"created": 1790000000, "data": [{"url": "https://x"}, {"url": "https://y"}]}

    assert normalize("openai", "images.generate", response).buckets == {"images": 2}


def test_a_transcription_in_tokens() -> None:
    usage = {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
        "output_tokens": 45,
        "total_tokens": 59,
    }

    found = normalize("openai", "audio.transcriptions", {"text": "…", "usage": usage})

    assert (found.buckets, found.flags) == ({"input": 4, "input_audio": 10, "output": 45}, ())


def test_a_transcription_that_does_not_tell_audio_from_text_is_flagged() -> None:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 45, "total_tokens": 59}

    assert normalize("openai", "audio.transcriptions", usage).flags == (
        "unknown:response.input_token_details",
    )


@pytest.mark.parametrize(
    "response",
    [
        {"text": "…", "usage": {"type": "duration", "seconds": Decimal("9.5")}},
        {"text": "…", "task": "transcribe", "duration": Decimal("9.5"), "segments": [{"id": 1, "end": 9}]},
    ],
    ids=["usage", "older answers"],
)
def test_a_transcription_in_seconds(response: dict[str, object]) -> None:
    found = normalize("openai", "audio.transcriptions", response)

    assert (found.buckets, found.flags) == ({"audio_seconds": Decimal("9.5")}, ())


def test_speech_bills_the_characters_that_the_caller_counted() -> None:
    assert normalize("openai", "audio.speech", {"characters": 1000}).buckets == {"characters": 1000}
    with pytest.raises(UsageError, match="count the characters"):
        normalize("openai", "audio.speech", {"words": 3})
