"""A stand-in of models' providers on the loopback.

OpenAI's chat and Anthropic's messages, whole and streamed; OpenAI's responses.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

ANSWER = {
    "id": "chatcmpl-stand-in",
    "object": "chat.completion",
    "created": 1_795_253_270,
    "model": "gpt-5-2025-08-07",
    "service_tier": "default",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Paris."}}],
    "usage": {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920},
        "completion_tokens_details": {"reasoning_tokens": 192},
    },
}
ANSWERED = {"input": "86", "cache_read": "1920", "output": "108", "reasoning": "192"}
MESSAGE = {
    "id": "msg_stand_in",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-4-5-20251101",
    "content": [
        {"type": "text", "text": "Paris."},
        {"type": "tool_use", "id": "toolu_1", "name": "look_up", "input": {"city": "Paris"}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 2048,
        "cache_read_input_tokens": 1800,
        "cache_creation_input_tokens": 248,
        "cache_creation": {"ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100},
        "output_tokens": 503,
        "service_tier": "standard",
    },
}
MESSAGE_BUCKETS = {
    "input": "2048",
    "cache_read": "1800",
    "cache_write_5m": "148",
    "cache_write_1h": "100",
    "output": "503",
}
RESPONSE = {
    "id": "resp_stand_in",
    "object": "response",
    "created_at": 1_795_253_270,
    "status": "completed",
    "model": "gpt-5-2025-08-07",
    "service_tier": "default",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Paris.", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 2006,
        "input_tokens_details": {"cached_tokens": 1920},
        "output_tokens": 300,
        "output_tokens_details": {"reasoning_tokens": 192},
        "total_tokens": 2306,
    },
}
WHOLE = {"completions": ANSWER, "messages": MESSAGE, "responses": RESPONSE}
Events = Iterator[tuple[str, dict[str, Any]]]


class Provider:
    """Answers every call alike, each under an id of its own; a model whose name holds ``refused`` with 400."""

    def __init__(self) -> None:
        self.answered = 0
        self._lock = threading.Lock()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                provider.answer(self)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.host = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.host}/v1"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        if "refused" in asked["model"]:
            error = {"message": "no", "type": "invalid_request_error", "code": "refused"}
            return _reply(request, 400, json.dumps({"type": "error", "error": error}).encode())
        number = self._next()
        surface = request.path.rpartition("/")[2]
        whole, messages = WHOLE[surface], surface == "messages"
        answer = whole | {"id": whole["id"] if number == 1 else f"{whole['id']}-{number}"}
        if not asked.get("stream"):
            return _reply(request, 200, json.dumps(answer).encode())
        wants_usage = bool((asked.get("stream_options") or {}).get("include_usage"))
        events = streamed_message(answer) if messages else streamed_chat(answer, wants_usage=wants_usage)
        body = "".join(f"event: {kind}\ndata: {json.dumps(data)}\n\n" for kind, data in events)
        if not messages:
            body = body.replace("event: chunk\n", "") + "data: [DONE]\n\n"
        return _reply(request, 200, body.encode(), kind="text/event-stream")

    def _next(self) -> int:
        with self._lock:
            self.answered += 1
            return self.answered

    def __enter__(self) -> "Provider":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def streamed_chat(answer: dict[str, Any], *, wants_usage: bool) -> Events:
    """OpenAI's chunks; the usage comes in one of its own, and only when it is asked for."""
    chunk = {name: answer[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    for delta, reason in (({"role": "assistant", "content": "Pa"}, None), ({"content": "ris."}, "stop")):
        yield "chunk", chunk | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    if wants_usage:
        yield "chunk", chunk | {"choices": [], "usage": answer["usage"]}


def streamed_message(answer: dict[str, Any]) -> Events:
    """Anthropic's events: the first tells one token of the answer, the last but one all of them."""
    started = answer | {"content": [], "stop_reason": None, "usage": answer["usage"] | {"output_tokens": 1}}
    ended = {"stop_reason": "tool_use", "stop_sequence": None}
    yield "message_start", {"type": "message_start", "message": started}
    for index, block in enumerate(answer["content"]):
        is_text = block["type"] == "text"
        empty = block | ({"text": ""} if is_text else {"input": {}})
        written = json.dumps(block.get("input"))
        delta = (
            {"type": "text_delta", "text": block["text"]}
            if is_text
            else {"type": "input_json_delta", "partial_json": written}
        )
        place = {"index": index}
        yield "content_block_start", {"type": "content_block_start", "content_block": empty} | place
        yield "content_block_delta", {"type": "content_block_delta", "delta": delta} | place
        yield "content_block_stop", {"type": "content_block_stop"} | place
    yield "message_delta", {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 503}}
    yield "message_stop", {"type": "message_stop"}


def _reply(request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
