"""``manage.py run_due``: do now what is due now, in this process."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from core import clock
from core.due_work import run_due


class Command(BaseCommand):
    help = "Run every piece of work that is due, as the sweep does, and say what became of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--kind", action="append", help="only this kind of work; may be given several times"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes = run_due(clock.now(), kinds=options["kind"])
        total = sum(outcomes.values())
        told = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
        self.stdout.write(f"{total} due: {told}" if total else "Nothing was due.")
