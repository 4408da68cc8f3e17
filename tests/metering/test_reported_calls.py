"""One call of a model, told through several doors under one id of its provider's."""

import json
from base64 import b64encode
from itertools import permutations

import pytest

from metering.models import Event, EventConflict, ReportedCall, RicherReport
from tests.metering.formats.otlp_exports import CALL, export, span
from tests.metering.formats.test_litellm import payload

pytestmark = pytest.mark.django_db
RESPONSE = "chatcmpl-CqTPhRbEz7KwR5q"
PLAIN = {"prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306}
RICH = PLAIN | {
    "prompt_tokens_details": {"cached_tokens": 1920},
    "completion_tokens_details": {"reasoning_tokens": 192},
}
RICH_BUCKETS = {"input": "86", "cache_read": "1920", "output": "108", "reasoning": "192"}


@pytest.fixture
def report(door):
    """Reports the call through one door, with the usage that this door tells."""

    def send(through: str, *, tokens: int = 2006, **fields) -> dict:
        headers = {"Authorization": f"Bearer {door.key}"}
        if through == "native":
            usage = RICH | {"prompt_tokens": tokens, "total_tokens": tokens + 300}
            response = {"id": RESPONSE, "model": "gpt-5", "usage": usage}
            event = {"id": "my-call-1", "customer": "acme", "type": "llm.call", "response": response}
            body = event | {"provider": "openai", "api": "chat.completions"} | fields
            address = "/v1/events"
        elif through == "otlp":
            told = CALL | {"gen_ai.response.id": RESPONSE, "gen_ai.usage.input_tokens": tokens}
            address, body = "/v1/traces", export(span(told, **fields))
        else:
            plain = PLAIN | {"prompt_tokens": tokens, "total_tokens": tokens + 300}
            told = {"metadata": {"usage_object": plain}, "id": RESPONSE, "custom_llm_provider": "openai"}
            address, body = "/v1/litellm", payload(**told | fields)
        answer = door.client.post(address, json.dumps(body), content_type="application/json", headers=headers)
        assert answer.status_code < 500
        return answer.json()

    return send


def counted() -> set[tuple[str, str]]:
    return set(Event.objects.values_list("event_id", "source"))


@pytest.mark.parametrize("doors", list(permutations(["native", "otlp", "litellm"])), ids="-".join)
def test_through_three_doors_in_any_order_it_is_one_event(report, doors) -> None:
    for through in doors:
        report(through)
    assert Event.objects.count() == ReportedCall.objects.count() == 1
    assert not EventConflict.objects.exists()
    richest_waits = RicherReport.objects.filter(source="api").exists()
    assert Event.objects.get().source == "api" or richest_waits


@pytest.mark.parametrize("doors", list(permutations(["native", "otlp", "litellm"])), ids="-".join)
def test_sent_again_every_report_is_a_duplicate(report, doors) -> None:
    for through in doors:
        report(through)
    before = counted(), RicherReport.objects.values_list("event_id", "content_hash").first()
    for through in doors:
        answer = report(through)
        assert answer == {} or (answer["accepted"], answer["duplicates"]) == (0, 1)
    assert before == (counted(), RicherReport.objects.values_list("event_id", "content_hash").first())


def test_a_poorer_report_is_a_duplicate(report) -> None:
    report("native")
    assert report("litellm")["duplicates"] == 1
    assert Event.objects.get().usage == RICH_BUCKETS
    assert not RicherReport.objects.exists()


def test_a_richer_report_is_accepted_and_waits_for_its_place(report) -> None:
    report("litellm")
    assert report("native")["accepted"] == 1
    assert Event.objects.get().source == "litellm"
    assert RicherReport.objects.get().received["usage"] == RICH_BUCKETS


def test_a_report_of_other_counts_is_a_conflict_that_is_kept(report) -> None:
    report("native")
    report("otlp", tokens=2007)
    assert EventConflict.objects.get().received["usage"]["input"] == "2007"
    assert counted() == {("my-call-1", "api")}


def test_one_senders_own_ids_tell_its_events_apart(report) -> None:
    report("native")
    assert report("native", id="my-call-2")["accepted"] == 1
    assert Event.objects.count() == 2


def test_the_same_id_with_other_content_is_refused_though_the_tokens_agree(report) -> None:
    report("native")
    report("native", properties={"feature": "search"})
    assert EventConflict.objects.count() == 1
    assert Event.objects.get().properties == {}


def test_another_customers_call_of_that_id_is_another_call(report) -> None:
    from customers.customers import create_customer
    from tests.metering.conftest import NOW

    create_customer(key="globex", name="Globex", now=NOW)
    report("native")
    assert report("native", customer="globex")["accepted"] == 1
    assert ReportedCall.objects.count() == 2


def test_a_caches_answer_bears_the_id_of_the_call_that_filled_it_and_is_a_call_of_its_own(report) -> None:
    report("native")
    assert report("litellm", cache_hit=True)["accepted"] == 1
    assert Event.objects.count() == 2


def test_a_report_without_usage_gives_way_to_one_that_has_it(report, door) -> None:
    told = {name: value for name, value in CALL.items() if "usage" not in name}
    body = export(span(told | {"gen_ai.response.id": RESPONSE}))
    headers = {"Authorization": f"Bearer {door.key}"}
    door.client.post("/v1/traces", json.dumps(body), content_type="application/json", headers=headers)
    assert Event.objects.get().unpriced
    assert report("litellm")["accepted"] == 1
    assert RicherReport.objects.get().source == "litellm"


def test_an_outcome_that_names_its_response_is_no_report_of_the_call(report, door) -> None:
    def send_outcome(number: int) -> dict:
        outcome = {
            "id": f"ticket-{number}",
            "customer": "acme",
            "type": "ticket.resolved",
            "response_id": RESPONSE,
        }
        headers = {"Authorization": f"Bearer {door.key}"}
        return door.client.post(
            "/v1/events", outcome, content_type="application/json", headers=headers
        ).json()

    assert send_outcome(1)["accepted"] == 1
    assert report("litellm")["accepted"] == 1
    assert send_outcome(2)["accepted"] == 1
    assert Event.objects.count() == 3
    assert not RicherReport.objects.exists()


def wrapped(response_id: str) -> str:
    """The id under which LiteLLM hands on a response of OpenAI's newer API."""
    told = f"litellm:custom_llm_provider:openai;model_id:{'9f' * 32};response_id:{response_id}"
    return "resp_" + b64encode(told.encode()).decode()


def test_an_id_that_litellm_wrapped_is_the_providers_own(report, door) -> None:
    inner = "resp_0fb1dcd8b74c86e6006919a2f1d1c081a0b3e5a2"
    called = CALL | {"gen_ai.response.id": inner, "gen_ai.usage.input_tokens": 2006}
    headers = {"Authorization": f"Bearer {door.key}"}
    body = json.dumps(export(span(called)))
    door.client.post("/v1/traces", body, content_type="application/json", headers=headers)
    assert report("litellm", id=wrapped(inner))["duplicates"] == 1
    response = {"id": wrapped(inner), "model": "gpt-5", "usage": RICH}
    assert report("native", response=response)["accepted"] == 1
    assert Event.objects.count() == 1
    assert RicherReport.objects.get().response_id == inner


@pytest.mark.parametrize(
    ("response_id", "kept"),
    [("", ""), ("x" * 255, "x" * 255), ("x" * 256, ""), (7, ""), ("caf\u00e9 1234567", ""), ("R" * 9000, "")],
    ids=["empty", "255", "256", "number", "odd", "endless"],
)
def test_no_usage_is_refused_for_the_name_of_its_response(report, response_id, kept) -> None:
    answer = report("native", response={"id": response_id, "model": "gpt-5", "usage": RICH})
    assert answer["accepted"] == 1
    assert Event.objects.get().usage == RICH_BUCKETS
    assert list(ReportedCall.objects.values_list("response_id", flat=True)) == ([kept] if kept else [])


def test_ids_that_differ_in_case_alone_are_two_calls(report) -> None:
    report("native")
    assert report("litellm", id=RESPONSE.swapcase())["accepted"] == 1
    assert Event.objects.count() == 2
