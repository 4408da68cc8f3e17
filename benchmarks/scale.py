"""Does an event cost more as the table grows? The same measurements at 1 million events and at 20 million.

The events are made by the database itself, with hourly sums as rating would have left them. It needs some 25 GB of disk for
a while; ``BENCH_EVENTS=5000000`` makes it smaller.
"""

import http.client
import os
import time

from benchmarks.ingest import batch_rate, copy_floor
from benchmarks.installation import Installation, running_installation
from benchmarks.rating import rate_of_new_events
from benchmarks.scale_world import World, fill, make_world, table_sizes
from benchmarks.table import Line, Target, print_table

SMALL, LARGE = 1_000_000, int(os.environ.get("BENCH_EVENTS", "20000000"))
ROUNDS, LOADS = 5, 20
AT_LEAST = 1 / 1.2  # an event may cost 1.2 times as much
PAGE_MS_MAX = 200
Found = dict[str, list[float]]


def main() -> bool:
    """Fill, measure, fill on, measure again. Whether every target was reached."""
    with running_installation() as installation:
        world = make_world()
        found: list[Found] = []
        for events in (SMALL, LARGE):
            started_at = time.perf_counter()
            fill(world, events)
            print(
                f"  {events:,} events are there, after {time.perf_counter() - started_at:.0f} s", flush=True
            )
            found.append(_rates(installation, world) | _pages(installation, world))
            print_table(
                f"sizes at {events:,} events", [Line(name, "MiB", [mib]) for name, mib in table_sizes()]
            )
    return _report(*found)


def _rates(installation: Installation, world: World) -> Found:
    """Events a second of the largest customer, whose part of each index is the largest."""
    largest = world.keys[0]
    found: Found = {"raw COPY": [], "100 a batch": [], "500 a batch": [], "rating, one process": []}
    for _ in range(ROUNDS):
        found["raw COPY"].append(copy_floor(world.keys[1]))  # its numbers lie beyond what rating would read
        found["100 a batch"].append(batch_rate(installation, [largest], 100, ready=1_600))
        found["500 a batch"].append(batch_rate(installation, [largest], 500, ready=320))
        found["rating, one process"].append(rate_of_new_events(largest))
    return found


def _pages(installation: Installation, world: World) -> Found:
    """Milliseconds of each load of the pages and reads that people wait for, of the largest customer."""
    from customers.models import Customer

    customer = Customer.objects.get(key=world.keys[0])
    staff, visitor = _staff_cookie(), _visitor_cookie(installation, customer.key)
    asked = {
        "console: overview": ("/console/", {"Cookie": staff}),
        "console: a customer": (f"/console/customers/{customer.id}", {"Cookie": staff}),
        "console: its events": (f"/console/events?customer={customer.key}", {"Cookie": staff}),
        "portal: this period": ("/portal/", {"Cookie": visitor}),
        "portal: calls": ("/portal/calls", {"Cookie": visitor}),
        "API: spend of the month": (
            f"/v1/customers/{customer.key}/spend",
            {"Authorization": f"Bearer {installation.api_key}"},
        ),
    }
    found: Found = {name: [] for name in asked}
    for _ in range(LOADS + 1):
        for name, (path, headers) in asked.items():
            found[name].append(_milliseconds(installation, path, headers))
    return {
        name: times[1:] for name, times in found.items()
    }  # the first load warms what no other load pays for


def _report(small: Found, large: Found) -> bool:
    rates = [
        Line(name, values=large[name], floors=small[name], target=Target("ratio", AT_LEAST))
        for name in small
        if ":" not in name
    ]
    pages = []
    for name in (name for name in small if ":" in name):
        pages.append(Line(f"{name}, p50", "ms", [_quantile(large[name], 0.5)], [_quantile(small[name], 0.5)]))
        worst = Line(f"{name}, p95", "ms", [_quantile(large[name], 0.95)], [_quantile(small[name], 0.95)])
        worst.target = Target("most", PAGE_MS_MAX)
        pages.append(worst)
    held = print_table(f"{LARGE:,} events; floor: {SMALL:,}", rates)
    return print_table(f"pages at {LARGE:,}; floor: {SMALL:,}", pages) and held


def _quantile(times: list[float], quantile: float) -> float:
    return sorted(times)[min(int(len(times) * quantile), len(times) - 1)]


def _milliseconds(installation: Installation, path: str, headers: dict[str, str]) -> float:
    connection = http.client.HTTPConnection(installation.host, installation.port, timeout=60)
    started_at = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    seconds = time.perf_counter() - started_at
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}.")
    return 1000 * seconds


def _staff_cookie() -> str:
    """A session of someone who may open the console."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from customers.models import User

    user = User.objects.filter(email="bench@localhost").first() or User.objects.create_superuser(
        email="bench@localhost", password=None
    )
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "allauth.account.auth_backends.AuthenticationBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"burnline_session={session.session_key}"


def _visitor_cookie(installation: Installation, key: str) -> str:
    """A session of a customer's visitor, by a link of the portal."""
    from core.clock import now
    from customers.models import Customer
    from customers.portal_links import create_portal_link

    link = create_portal_link(Customer.objects.get(key=key), now=now(), base_url="http://localhost")
    connection = http.client.HTTPConnection(installation.host, installation.port, timeout=60)
    connection.request("GET", link.url.removeprefix("http://localhost"))
    cookie = (connection.getresponse().getheader("Set-Cookie") or "").split(";")[0]
    connection.close()
    return cookie


if __name__ == "__main__":
    main()
