"""What lies between a client and Burnline, and can go wrong: a proxy that does to each request what a test asks for."""

import threading
from collections import deque
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import urlsplit


class Wire:
    """Passes requests on, unless ``faults`` holds something else for the next one.

    ``"refuse"``: no answer, nothing is passed on. ``"cut"``: it is passed on and committed, and the answer is lost.
    ``"hang"``: the same, and the connection stays open. Or an answer: (status, headers, body).
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.faults: deque[str | tuple[int, dict[str, str], bytes]] = deque()
        self.always: str | tuple[int, dict[str, str], bytes] | None = None
        self.sizes: list[int] = []
        self.committed = threading.Event()
        self.let_go = threading.Event()
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                wire.handle(self)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        fault = self.faults.popleft() if self.faults else self.always
        self.sizes.append(len(body))
        if fault == "refuse":
            request.close_connection = True
            return
        status, headers, answer = fault if isinstance(fault, tuple) else self.pass_on(request, body)
        if fault in ("cut", "hang"):
            self.committed.set()
            if fault == "hang":
                self.let_go.wait(60)
            request.close_connection = True
            return
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def pass_on(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection(self.upstream.hostname or "", self.upstream.port, timeout=30)
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        connection.request("POST", request.path, body, headers)
        answer = connection.getresponse()
        told = {"Retry-After": wait} if (wait := answer.getheader("Retry-After")) else {}
        read = answer.status, told, answer.read()
        connection.close()
        return read

    def __enter__(self) -> "Wire":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()
