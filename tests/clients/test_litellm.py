"""LiteLLM's own callbacks, unmodified. With what it needs it weighs 200 MB: `pip install litellm` to run these."""

import asyncio
import os
from typing import Any

import pytest

from metering.models import Event
from tests.clients.conftest import ANSWERED

# Or it fetches a price list as it is imported.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
litellm = pytest.importorskip("litellm", reason="litellm is not installed; it is too large to bring along")
generic = pytest.importorskip("litellm.integrations.generic_api.generic_api_callback")
custom = pytest.importorskip("litellm.integrations.custom_logger")
lago = pytest.importorskip("litellm.integrations.lago")
openmeter = pytest.importorskip("litellm.integrations.openmeter")


class Done(custom.CustomLogger):
    """Comes after the callbacks under test, and says that LiteLLM has told them."""

    def __init__(self) -> None:
        super().__init__()
        self.told = asyncio.Event()

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self.told.set()


@pytest.fixture(scope="module")
def runner():
    """One loop for all: LiteLLM's queue of callbacks stays with the first loop that it met."""
    with asyncio.Runner() as runner:
        yield runner


async def call(callback: Any, provider_url: str) -> None:
    done = Done()
    litellm.callbacks = [callback, done]
    try:
        await litellm.acompletion(
            model="openai/gpt-5",
            messages=[{"role": "user", "content": "Capital of France?"}],
            api_base=provider_url,
            api_key="none",
            user="acme",
            metadata={"user_api_key_end_user_id": "acme"},
            proxy_server_request={"body": {"user": "acme"}},
        )
        await asyncio.wait_for(done.told.wait(), 10)
    finally:
        litellm.logging_callback_manager._reset_all_callbacks()


@pytest.mark.parametrize("log_format", ["json_array", "ndjson", "single"])
def test_the_generic_callback_brings_every_kind_of_token(burnline, provider_url, runner, log_format) -> None:
    async def run() -> None:
        callback = generic.GenericAPILogger(
            endpoint=f"{burnline.url}/v1/litellm",
            headers={"Authorization": f"Bearer {burnline.key}"},
            log_format=log_format,
        )
        await call(callback, provider_url)
        await callback.async_send_batch()

    runner.run(run())
    stored = Event.objects.get()
    assert (stored.provider, stored.model, stored.usage) == ("openai", "gpt-5", ANSWERED)
    assert stored.properties["response_id"] == "chatcmpl-stand-in"


@pytest.mark.parametrize("name", ["lago", "openmeter"])
def test_the_callbacks_for_others_bring_prompt_and_answer(
    burnline, provider_url, runner, monkeypatch, name
) -> None:
    for variable, told in {
        "LAGO_API_BASE": burnline.url,
        "LAGO_API_KEY": burnline.key,
        "LAGO_API_EVENT_CODE": "llm.call",
        "OPENMETER_API_ENDPOINT": burnline.url,
        "OPENMETER_API_KEY": burnline.key,
        "OPENMETER_EVENT_TYPE": "llm.call",
    }.items():
        monkeypatch.setenv(variable, told)

    async def run() -> None:
        callback = lago.LagoLogger() if name == "lago" else openmeter.OpenMeterLogger()
        await call(callback, provider_url)

    runner.run(run())
    stored = Event.objects.get()
    assert (stored.door, stored.type, stored.model) == (name, "llm.call", "gpt-5")
    assert (stored.usage, stored.properties) == ({"input": "2006", "output": "300"}, {})
