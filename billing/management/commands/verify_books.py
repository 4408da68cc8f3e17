"""``manage.py verify_books``: check every invariant of the books; exits non-zero when one is broken."""

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand

from billing.books.verify import verify_books

SHOWN_MAX = 20


class Command(BaseCommand):
    help = "Check the books: ledger, credits, usage and invoices. Exits with 1 when an invariant is broken."

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        broken = 0
        for name, breaches in verify_books():
            self.stdout.write(f"{'ok    ' if not breaches else 'BROKEN'} {name}")
            for breach in breaches[:SHOWN_MAX]:
                whose = f"customer {breach.customer_id}: " if breach.customer_id else ""
                self.stdout.write(f"       {breach.invariant} {whose}{breach.detail}")
            if len(breaches) > SHOWN_MAX:
                self.stdout.write(f"       and {len(breaches) - SHOWN_MAX} more")
            broken += len(breaches)
        seconds = time.monotonic() - started
        if broken:
            self.stdout.write(f"{broken} breaches, {seconds:.1f} s")
            sys.exit(1)
        self.stdout.write(f"The books are in order ({seconds:.1f} s).")
