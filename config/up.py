"""`make up`: everything on one machine, with one command, and one Ctrl-C to end it."""

import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connections
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.utils import Error as DatabaseError

from config.jobs import beat_command, worker_command
from config.processes import StartFailure, die_with_parent, last_lines
from config.servers import owned, start_servers
from config.supervisor import Child, Supervisor
from config.web import memory_environment, metrics_environment, web_command

ROOT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_SECONDS = 60.0
LOOK_INTERVAL_SECONDS = 0.5
OTHER_COMMAND_WAIT_SECONDS = 60.0


def tell(line: str) -> None:
    print(line, flush=True)


@contextmanager
def step(name: str) -> Iterator[Callable[[str], None]]:
    """One line of progress: its name when it begins, its outcome and time when it ends."""
    started_at = time.monotonic()
    outcome: list[str] = []
    print(f"  {name:<12}", end="", flush=True)
    try:
        yield outcome.append
    except BaseException:
        print(flush=True)
        raise
    print(f"{'; '.join(outcome) or 'ready':<44}{time.monotonic() - started_at:6.1f} s", flush=True)


def main() -> int:
    """Start, watch, stop. The exit code is 0 after a wished end, 1 when something could not start."""
    if "--with-parent" in sys.argv:
        die_with_parent()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    wish_to_end = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        if wish_to_end.is_set():
            return
        wish_to_end.set()
        if not watching:
            raise KeyboardInterrupt

    watching: list[bool] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        run(wish_to_end, watching)
    except (StartFailure, ImproperlyConfigured) as failure:
        print(f"\nBurnline cannot start. {failure}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        tell("\nStopped before everything ran.")
    except Exception as error:
        print(f"\nBurnline cannot start. {keep_traceback(error)}", file=sys.stderr, flush=True)
        return 1
    return 0


def keep_traceback(error: Exception) -> str:
    """One sentence for what nobody foresaw; the traceback goes to `var/logs/up.log`."""
    from django.conf import settings

    log = settings.PLACES.logs / "up.log"
    with log.open("a") as file:
        traceback.print_exception(error, file=file)
    return f"{type(error).__name__}: {' '.join(str(error).split())} (all of it: {log})."


def run(wish_to_end: threading.Event, watching: list[bool]) -> None:
    started_at = time.monotonic()
    from django.conf import settings

    tell(f"Burnline starts (its data: {settings.VAR})")
    with owned(settings.PLACES, "up", wait_seconds=OTHER_COMMAND_WAIT_SECONDS):
        refuse_taken_port(settings.HOST, settings.PORT)
        with step("servers") as outcome:
            servers = start_servers(
                settings.PLACES,
                postgres=settings.EMBEDDED_POSTGRES,
                valkey=settings.EMBEDDED_VALKEY,
                tell=outcome,
            )
            if not settings.EMBEDDED_POSTGRES and not settings.EMBEDDED_VALKEY:
                outcome("run by others")
        children: list[Child] = []
        supervisor = Supervisor(servers, children, tell)
        try:
            prepare()
            children += make_children()
            for child in children:
                with step(child.name):
                    child.start()
                    if child is children[0]:
                        wait_for_web(child, wish_to_end)
            greet(time.monotonic() - started_at, [child.name for child in children])
            watching.append(True)
            while not wish_to_end.wait(LOOK_INTERVAL_SECONDS):
                supervisor.look()
            tell("Stopping …")
        finally:
            wish_to_end.set()  # a second Ctrl-C must not cut the stopping short
            supervisor.stop()
        tell("Stopped. The data is kept.")


def prepare() -> None:
    """Everything between an empty database and a page that can be shown."""
    from django.conf import settings

    from config.front_end import collect_static, vendor_front_end

    with step("program"):
        django.setup()
    with step("tables") as outcome:
        try:
            outcome(bring_tables_up_to_date())
        except DatabaseError as error:
            raise StartFailure(f"The database refused: {' '.join(str(error).split())}.") from None
    with step("prices") as outcome:
        outcome(bring_first_prices())
    with step("front end") as outcome:
        try:
            fetched = vendor_front_end(ROOT)
        except StartFailure as failure:
            fetched = False
            outcome(f"without charts ({failure})")
        collected = collect_static(settings.PLACES.static)
        outcome("made" if fetched or collected else "unchanged")
    if settings.DEMO and not settings.STRIPE_API_KEY and is_empty():
        with step("demo") as outcome:
            outcome(bring_demo())
    connections.close_all()
    connections["default"].close_pool()  # type: ignore[attr-defined]


def bring_first_prices() -> str:
    """The packaged price list, where there is no price yet; later ones come by ``import_prices``."""
    from core import clock
    from pricing.models import PriceRow
    from pricing.price_sources.packaged import import_packaged_prices

    if PriceRow.objects.exists():
        return "there already"
    import_packaged_prices(now=clock.now())
    return f"{PriceRow.objects.count():,} of providers"


def bring_demo() -> str:
    """The demo's past, told of day by day where there is a screen."""
    from django.conf import settings

    from config.demo.ninety_days import NotEmpty, fill_demo
    from core import clock

    told: list[str] = []

    def progress(line: str) -> None:
        told.append(line)
        if sys.stdout.isatty():
            print(f"\r  {'demo':<12}{line:<44}\r  {'demo':<12}", end="", flush=True)

    try:
        fill_demo(now=clock.now(), sign_ins=settings.PLACES.demo, tell=progress)
    except NotEmpty:
        return "left out: there are customers already"
    return told[-1]


def bring_tables_up_to_date() -> str:
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connections["default"])
    try:
        executor.loader.check_consistent_history(connections["default"])
        unknown = set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations)
    except InconsistentMigrationHistory as error:
        unknown = {("", str(error))}
    if unknown:
        raise StartFailure(
            "The database was made by another release, whose migrations this one does not have "
            f"({', '.join(sorted(name for _, name in unknown))}); start that release, or restore a backup."
        )
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return "unchanged"
    call_command("migrate", interactive=False, verbosity=0)
    return f"{len(plan)} migrations"


def is_empty() -> bool:
    from django.contrib.auth import get_user_model

    return not get_user_model()._default_manager.exists()


def make_children() -> list[Child]:
    """The web first: its readiness is waited for. Then the jobs, and the demo's stand-in for Stripe."""
    from django.conf import settings

    from config.demo.stripe_stand_in import stand_in_command, stand_in_environment, stand_in_is_wanted

    environment = {"PYTHONUNBUFFERED": "1", "BURNLINE_DIE_WITH_PARENT": "1"}
    environment |= metrics_environment() | memory_environment()
    commands = {"web": web_command(), "worker": worker_command(), "beat": beat_command()}
    if stand_in_is_wanted():
        commands["stripe"] = stand_in_command()
        environment |= stand_in_environment()
    logs = settings.PLACES.logs
    return [
        Child(name, command, ROOT, logs / f"{name}.log", environment) for name, command in commands.items()
    ]


def refuse_taken_port(host: str, port: int) -> None:
    """Raises StartFailure when something else listens on the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = error.strerror or str(error)
            raise StartFailure(
                f"Port {port} on {host} cannot be used ({reason}); "
                "free it, or choose another with BURNLINE_PORT."
            ) from None


def wait_for_web(web: Child, wish_to_end: threading.Event) -> None:
    from django.conf import settings

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.HOST, settings.HOST)
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        connection = HTTPConnection(host, settings.PORT, timeout=2)
        try:
            connection.request("GET", "/livez", headers={"Host": "localhost"})
            if connection.getresponse().status < 500:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        if not web.alive():
            break
        wish_to_end.wait(0.05)
    raise StartFailure(f"The web did not answer: {last_lines(web.log)} (all of it: {web.log}).")


def greet(seconds: float, running: Sequence[str]) -> None:
    """Say where to go, with which sign-in, and how to send the first event."""
    from django.conf import settings

    from config.demo.stripe_stand_in import stand_in_url

    url = settings.BASE_URL
    tell(f"\nBurnline runs ({seconds:.1f} s). Ctrl-C stops it.\n")
    try:
        demo = json.loads(settings.PLACES.demo.read_text())
    except (OSError, ValueError):
        tell(f"  Console   {url}/console/")
        tell("  Make yourself an operator:  .venv/bin/python manage.py createsuperuser")
        tell("  Make a key for events:      .venv/bin/python manage.py create_api_key --scopes ingest\n")
        return
    console, portal = demo["console"], demo["portal"]
    tell(f"  Console   {url}/console/   {console['email']}  {console['password']}")
    tell(f"  Portal    {url}/portal/    {portal['email']}  {portal['password']}")
    if "stripe" in running:
        tell(f"  Stripe    {stand_in_url()}/   a stand-in: pay an open invoice there")
    tell(f"  API       {url}/v1/docs\n")
    event = {
        "id": "first-event",
        "customer": demo["customer"],
        "type": "llm.call",
        "provider": "anthropic",
        "model": "claude-opus-4-5",
        "usage": {"input": 1200, "output": 300},
    }
    tell("Send an event:\n")
    tell(f"  curl -X POST {url}/v1/events -H 'Authorization: Bearer {demo['api_key']}' \\")
    tell(f"    -H 'Content-Type: application/json' -d '{json.dumps(event)}'\n")


if __name__ == "__main__":
    sys.exit(main())
