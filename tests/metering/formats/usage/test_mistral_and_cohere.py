import pytest

from metering.formats.usage import UsageError, normalize


class TestMistral:
    def test_cached_tokens_are_in_the_prompt_under_either_name(self) -> None:
        old = {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109, "num_cached_tokens": 64}
        new = {"prompt_tokens": 100, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 64}}

        for usage in (old, new):
            found = normalize("mistral", "chat.completions", usage)
            assert (found.buckets, found.flags) == ({"input": 36, "cache_read": 64, "output": 9}, ())

    def test_audio_is_billed_by_the_second(self) -> None:
        usage = {"prompt_tokens": 4, "completion_tokens": 30, "total_tokens": 34, "prompt_audio_seconds": 203}

        assert normalize("mistral", "audio.transcriptions", usage).buckets == {
            "input": 4,
            "output": 30,
            "audio_seconds": 203,
        }

    def test_ocr_bills_pages(self) -> None:
        response = {"model": "mistral-ocr", "usage_info": {"pages_processed": 3, "doc_size_bytes": 90210}}

        found = normalize("mistral", "ocr", response)

        assert (found.buckets, found.flags) == ({"pages": 3}, ())
        annotated = normalize("mistral", "ocr", response | {"document_annotation": "{}"})
        assert annotated.buckets == {"pages": 3, "annotated_pages": 3}

    def test_connectors_count_and_what_they_read_is_flagged(self) -> None:
        usage = {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "connector_tokens": 700,
            "connectors": {"web_search": 2, "code_interpreter": 1},
        }

        found = normalize("mistral", "conversations", usage)

        assert found.buckets == {"input": 10, "output": 5, "web_search": 2, "code_execution": 1}
        assert found.flags == ("unknown:response.connector_tokens",)


class TestCohere:
    def test_billed_units_count_and_not_tokens(self) -> None:
        response = {
            "id": "c1",
            "usage": {
                "billed_units": {"input_tokens": 431, "output_tokens": 661},
                "tokens": {"input_tokens": 2190, "output_tokens": 1257},
                "cached_tokens": 64,
            },
        }

        found = normalize("cohere", "chat", response)

        assert (found.buckets, found.flags) == ({"input": 431, "output": 661}, ())

    def test_rerank_bills_searches(self) -> None:
        response = {"results": [{"index": 0}], "meta": {"billed_units": {"search_units": 1}}}

        found = normalize("cohere", "rerank", response)

        assert (found.buckets, found.flags) == ({"search_units": 1}, ())

    def test_embedded_images_are_apart_from_text(self) -> None:
        units = {"input_tokens": 4, "image_tokens": 512, "images": 1}

        found = normalize("cohere", "embed", {"meta": {"billed_units": units}})

        assert (found.buckets, found.flags) == ({"input": 4, "input_image": 512}, ())

    def test_an_input_that_holds_its_images_is_counted_by_its_text(self) -> None:
        units = {"input_tokens": 516, "text_tokens": 4, "image_tokens": 512}

        found = normalize("cohere", "embed", {"meta": {"billed_units": units}})

        assert found.buckets == {"input": 4, "input_image": 512}

    def test_without_billed_units_there_is_nothing_to_bill_by(self) -> None:
        with pytest.raises(UsageError) as refused:
            normalize("cohere", "chat", {"usage": {"tokens": {"input_tokens": 5}}})

        assert refused.value.field == "response.usage.billed_units"
