import math
import time
from argparse import ArgumentParser
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from config.replay.sending import Door, SendingError, Summary, batches
from config.replay.traces import Sender, TraceError, read_trace
from core.clock import now
from core.times import TimeError, parse_time, render_time


class Command(BaseCommand):
    help = (
        "Send a recorded trace of LLM calls (Azure's CSV, Mooncake's JSON lines) to a running Burnline, as one "
        "customer's use. Rows keep their ids: sent again with the same --start, they are duplicates."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--customer", required=True, help="the key of the customer")
        parser.add_argument("--api-key", required=True, help="a key with the scope ingest")
        parser.add_argument("--url", default="http://localhost:8000")
        parser.add_argument(
            "--speed",
            type=float,
            default=0.0,
            help="1 sends as fast as recorded, 10 ten times; 0 without a pause",
        )
        parser.add_argument("--provider", default="anthropic")
        parser.add_argument("--model", default="claude-sonnet-4-5")
        parser.add_argument("--id-prefix", help="what ids begin with; the file's name if absent")
        parser.add_argument(
            "--start",
            help="when the first call was made, RFC 3339; if absent, so that the last one was before today",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["speed"] < 0:
            raise CommandError("--speed is 0 or more.")
        try:
            calls = read_trace(options["file"])
            start = parse_time(options["start"]) if options["start"] else self._before_today(calls[-1].after)
            door = Door(options["url"], options["api_key"])
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from None
        except (TraceError, TimeError, SendingError) as error:
            raise CommandError(str(error)) from None
        prefix = options["id_prefix"] or options["file"].name
        sender = Sender(options["customer"], options["provider"], options["model"], prefix, start)
        summary, started = Summary(), time.monotonic()
        try:
            with door:
                for batch in batches(calls, options["speed"]):
                    summary.add(door.send([sender.event(call) for call in batch]))
                    self._progress(summary.sent, len(calls), time.monotonic() - started)
        except SendingError as error:
            raise CommandError(f"After {summary.sent:,} events: {error}") from None
        self.stdout.write(
            f"{summary.accepted:,} accepted, {summary.duplicates:,} duplicates, {summary.rejected:,} rejected."
        )
        for reason in summary.reasons:
            self.stdout.write(f"  {reason}")

    def _before_today(self, length: timedelta) -> datetime:
        midnight = datetime.combine(now().date(), datetime.min.time(), UTC)
        start = midnight - timedelta(seconds=math.ceil(length.total_seconds()))
        self.stdout.write(f"The first call is put at {render_time(start)} (--start).")
        return start

    def _progress(self, sent: int, total: int, seconds: float) -> None:
        line = f"{sent:,} of {total:,} events, {sent / max(seconds, 1e-6):,.0f} events/s"
        if self.stdout.isatty():
            self.stdout.write(f"\r\033[K{line}", ending="\n" if sent == total else "")
            self.stdout.flush()
        elif sent == total or sent % 10_000 == 0:
            self.stdout.write(line)
