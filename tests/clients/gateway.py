"""``python gateway.py``: LiteLLM, unmodified, in a program of its own, which does what each line of its input says.

A line is ``{"callbacks", "environment", "calls": [{"model", "stream", ...}]}`` in JSON; the answer is a line with the
name of the error, or null, for each call. It comes when LiteLLM has told its callbacks of all of them.
"""

import asyncio
import json
import os
import queue
import socket
import sys
from typing import Any

# Or it fetches a price list as it is imported.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what LiteLLM prints is no answer

import litellm  # noqa: E402
from litellm.caching.caching import Cache  # noqa: E402
from litellm.integrations.custom_logger import CustomLogger  # noqa: E402
from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger  # noqa: E402

WAIT_SECONDS = 60
connect = socket.socket.connect


def connect_here(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in (
        "127.0.0.1",
        "::1",
        "localhost",
    ):
        raise OSError(f"No test leaves this machine: {address}")
    connect(self, address)


class Told(CustomLogger):
    """Comes after the callbacks under test, and says that LiteLLM has told them of a call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: queue.Queue[None] = queue.Queue()

    async def async_log_success_event(self, *told: Any, **named: Any) -> None:
        self.calls.put(None)

    async def async_log_failure_event(self, *told: Any, **named: Any) -> None:
        self.calls.put(None)

    def log_success_event(self, *told: Any, **named: Any) -> None:
        self.calls.put(None)


async def follow(order: dict[str, Any]) -> list[str | None]:
    os.environ.update(order["environment"])
    # Once there is a cache, LiteLLM keeps every answer in it.
    litellm.cache = Cache() if any(call.get("caching") for call in order["calls"]) else None
    told = Told()
    generic = [GenericAPILogger(**one) for one in order["callbacks"] if isinstance(one, dict)]
    litellm.callbacks = [*generic, *(one for one in order["callbacks"] if isinstance(one, str)), told]
    errors: list[str | None] = []
    try:
        for call in order["calls"]:
            tells = call.pop("tells", 1)  # a fallback tells of the try that failed, too
            try:
                await ask(call)
                errors.append(None)
            except Exception as error:
                errors.append(type(error).__name__)
            for _ in range(tells):
                await asyncio.to_thread(told.calls.get, timeout=WAIT_SECONDS)
        for callback in generic:
            await callback.async_send_batch()
    finally:
        litellm.logging_callback_manager._reset_all_callbacks()
    return errors


async def ask(call: dict[str, Any]) -> None:
    """One call for the customer acme, to the end of its stream."""
    asked = {
        "messages": [{"role": "user", "content": "Capital of France?"}],
        "api_key": "none",
        "max_tokens": 1000,
        "user": "acme",
        "metadata": {"user_api_key_end_user_id": "acme"},
        "proxy_server_request": {"body": {"user": "acme"}},
        "num_retries": 0,
    }
    if call.pop("blocking", False):
        await asyncio.to_thread(litellm.completion, **asked | call)
        return
    answer = await litellm.acompletion(**asked | call)
    if call.get("stream"):
        async for _ in answer:
            pass


def main() -> None:
    socket.socket.connect = connect_here  # type: ignore[method-assign]
    litellm.suppress_debug_info = True
    with (
        asyncio.Runner() as runner
    ):  # one loop: LiteLLM's queue of callbacks stays with the first that it met
        for line in sys.stdin:
            print(json.dumps(runner.run(follow(json.loads(line)))), file=ANSWERS, flush=True)


if __name__ == "__main__":
    main()
