"""LiteLLM's own callbacks, unmodified. `make gateways` installs it, in an environment of its own."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from metering.models import Event, ReportedCall, RicherReport
from tests.clients.provider import ANSWERED, MESSAGE_BUCKETS

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".gateways" / "bin" / "python"
pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="LiteLLM is not installed, for it weighs 300 MB: `make gateways`"
)
Ask = Callable[..., list[str | None]]


@pytest.fixture(scope="session")
def gateway() -> Iterator[subprocess.Popen[str]]:
    """LiteLLM takes seconds to be imported, so one process serves all of a worker's tests."""
    command = [str(PYTHON), str(Path(__file__).with_name("gateway.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


@pytest.fixture
def ask(gateway: subprocess.Popen[str], burnline: Any, provider: Any) -> Ask:
    """Has the gateway make calls, and tell of them by these callbacks; the errors of the calls."""
    environment = {
        "LAGO_API_BASE": burnline.url,
        "LAGO_API_KEY": burnline.key,
        "LAGO_API_EVENT_CODE": "llm.call",
        "OPENMETER_API_ENDPOINT": burnline.url,
        "OPENMETER_API_KEY": burnline.key,
        "OPENMETER_EVENT_TYPE": "llm.call",
    }
    generic = {
        "endpoint": f"{burnline.url}/v1/litellm",
        "headers": {"Authorization": f"Bearer {burnline.key}"},
    }

    def run(*calls: dict[str, Any], callbacks: tuple[str, ...] = ("generic_api",), **how: Any) -> Any:
        order = {
            "environment": environment,
            "callbacks": [generic | how if name == "generic_api" else name for name in callbacks],
            "calls": [{"api_base": provider.url} | call for call in calls],
        }
        assert gateway.stdin is not None and gateway.stdout is not None
        gateway.stdin.write(json.dumps(order) + "\n")
        gateway.stdin.flush()
        return json.loads(gateway.stdout.readline())

    return run


PLAIN = {"model": "openai/gpt-5"}
STREAMED = PLAIN | {"stream": True, "stream_options": {"include_usage": True}}
CACHED = PLAIN | {"caching": True}


def usages() -> list[dict[str, str]]:
    return list(Event.objects.order_by("seq").values_list("usage", flat=True))


@pytest.mark.parametrize("log_format", ["json_array", "ndjson", "single"])
def test_the_generic_callback_brings_every_kind_of_token(ask: Ask, log_format: str) -> None:
    ask(PLAIN, STREAMED, log_format=log_format)
    assert usages() == [ANSWERED, ANSWERED]
    for stored in Event.objects.all():
        assert (stored.provider, stored.model, stored.status) == ("openai", "gpt-5", "ok")
    streamed = Event.objects.get(properties__response_id="chatcmpl-stand-in-2")
    assert streamed.properties["stream"] is True


def test_anthropics_tokens_are_apart_by_lifetime(ask: Ask, provider: Any) -> None:
    message = {"model": "anthropic/claude-sonnet-4-5", "api_base": provider.host}
    ask(message, message | {"stream": True})
    assert usages() == [MESSAGE_BUCKETS, MESSAGE_BUCKETS]


def test_a_failed_call_its_retry_and_its_fallback_are_told_apart(ask: Ask, provider: Any) -> None:
    refused = {"model": "openai/refused"}
    errors = ask(refused, refused | {"fallbacks": ["openai/gpt-5"], "tells": 2}, PLAIN)
    assert errors == ["BadRequestError", None, None]
    by_status = list(Event.objects.order_by("seq").values_list("status", "usage", "unpriced"))
    assert by_status.count(("error", {}, False)) == 2
    assert [usage for status, usage, _ in by_status if status == "ok"] == [ANSWERED] * provider.answered


def test_an_answer_out_of_its_cache_is_told_once_more_and_the_provider_once(ask: Ask, provider: Any) -> None:
    ask(CACHED, CACHED)
    assert provider.answered == 1
    assert usages() == [ANSWERED, ANSWERED]
    assert ReportedCall.objects.get().response_id == "chatcmpl-stand-in"
    assert Event.objects.order_by("seq")[1].cost == 0


def test_a_stream_that_was_not_asked_for_its_usage_waits_for_a_person(ask: Ask) -> None:
    ask(PLAIN | {"stream": True}, callbacks=("generic_api", "openmeter", "lago"))
    assert list(Event.objects.values_list("unpriced", flat=True).distinct()) == [True]


@pytest.mark.parametrize("blocking", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("name", ["lago", "openmeter"])
def test_the_callbacks_for_others_bring_prompt_and_answer(
    ask: Ask, provider: Any, name: str, blocking: bool
) -> None:
    calls = [PLAIN | {"blocking": True}] * 2 if blocking else [PLAIN, STREAMED]
    ask(*calls, callbacks=(name,))
    assert usages() == [{"input": "2006", "output": "300"}] * provider.answered
    for stored in Event.objects.all():
        assert (stored.door, stored.type, stored.model, stored.properties) == (name, "llm.call", "gpt-5", {})


def test_by_two_callbacks_at_once_every_call_counts_once(ask: Ask, provider: Any) -> None:
    ask(PLAIN, STREAMED, callbacks=("generic_api", "openmeter"))
    assert Event.objects.count() == ReportedCall.objects.count() == provider.answered == 2
    # The richer of the two counts, whichever came first.
    for call in ReportedCall.objects.all():
        assert call.source == "litellm" or RicherReport.objects.get(response_id=call.response_id)


def test_openmeters_callback_counts_no_answer_out_of_the_cache(ask: Ask, provider: Any) -> None:
    ask(CACHED, CACHED, callbacks=("openmeter",))
    assert provider.answered == Event.objects.count() == 1
