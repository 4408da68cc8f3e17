"""From an event to its customer's portal, while the installation takes in all the events that it can.

A probe sends an event, then loads the portal's first page until the page has counted it. The page itself rates nothing:
what it shows came through the queue of jobs.
"""

import http.client
import json
import re
import threading
import time

from benchmarks.http_load import run_load
from benchmarks.installation import Installation, running_installation
from benchmarks.table import Line, Target, print_table
from benchmarks.workload import batch_requests, event, new_customer

SECONDS = 15.0
LOAD_BATCH, LOAD_CLIENTS = 100, 4
PAUSE_SECONDS = 0.02
CALLS = re.compile(rb"<dt>Calls</dt>\s*<dd>\D*([\d,]+)")


class Probe:
    """One customer and its visitor, who looks again and again."""

    def __init__(self, installation: Installation) -> None:
        from core.clock import now
        from customers.models import Customer
        from customers.portal_links import create_portal_link

        self._installation = installation
        self._customer = new_customer("probe")
        self._sent = 0
        link = create_portal_link(
            Customer.objects.get(key=self._customer), now=now(), base_url="http://localhost"
        )
        self._cookie = ""
        answer = self._ask("GET", link.url.removeprefix("http://localhost"))
        self._cookie = (answer.getheader("Set-Cookie") or "").split(";")[0]
        self.seconds: list[float] = []

    def look_until(self, ends_at: float) -> None:
        """Take samples until then; the last one is waited for."""
        while time.perf_counter() < ends_at:
            self._sent += 1
            started_at = time.perf_counter()
            body = json.dumps(event(self._sent, self._customer)).encode()
            assert self._ask("POST", "/v1/events", body).status == 200
            while self._counted() < self._sent:
                time.sleep(PAUSE_SECONDS)
            self.seconds.append(time.perf_counter() - started_at)

    def _counted(self) -> int:
        answer = self._ask("GET", "/portal/")
        found = CALLS.search(self._body)
        assert answer.status == 200, answer.status
        return int(found[1].replace(b",", b"")) if found else 0

    def _ask(self, method: str, path: str, body: bytes | None = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self._installation.host, self._installation.port, timeout=60)
        headers = {"Cookie": self._cookie} if self._cookie else {}
        if body is not None:
            headers = {
                "Authorization": f"Bearer {self._installation.api_key}",
                "Content-Type": "application/json",
            }
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        self._body = answer.read()
        connection.close()
        return answer


def main(rounds: int = 5) -> bool:
    """Measure and print; whether every target was reached."""
    lines = [
        Line("event to portal, p50", "s"),
        Line("event to portal, p99", "s", target=Target("most", 2)),
        Line("   the load meanwhile"),
    ]
    with running_installation(jobs=True) as installation:
        probe = Probe(installation)
        for _ in range(rounds):
            rate, seconds = one_round(installation, probe)
            lines[0].values.append(seconds[len(seconds) // 2])
            lines[1].values.append(seconds[min(int(len(seconds) * 0.99), len(seconds) - 1)])
            lines[2].values.append(rate)
    return print_table("event to portal under load", lines)


def one_round(installation: Installation, probe: Probe) -> tuple[float, list[float]]:
    """Events a second of the load, and how long each of the probe's events took, sorted."""
    probe.seconds = []
    requests = batch_requests(installation, [new_customer("load")], LOAD_BATCH, ready=1_500)
    looking = threading.Thread(target=probe.look_until, args=(time.perf_counter() + SECONDS,))
    looking.start()
    load = run_load(installation.host, installation.port, requests, clients=LOAD_CLIENTS, seconds=SECONDS)
    looking.join()
    assert load.failures == 0 and probe.seconds
    return load.per_second * LOAD_BATCH, sorted(probe.seconds)


if __name__ == "__main__":
    main()
