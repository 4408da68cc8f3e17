"""A running Burnline on the loopback, and a stand-in of a model's provider."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from customers.api_keys import create_api_key
from customers.customers import create_customer


@dataclass(frozen=True)
class Burnline:
    """Where it runs, and a key that may send events for any customer; ``acme`` is one."""

    url: str
    key: str


@pytest.fixture
def burnline(live_server: Any) -> Burnline:
    now = datetime.now(UTC)
    create_customer(key="acme", name="Acme", now=now)
    return Burnline(live_server.url, create_api_key(name="client", scopes=["ingest"], now=now)[1])


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


class _Provider(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def provider_url() -> Iterator[str]:
    """A provider that answers every call with ``ANSWER``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Provider)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()
