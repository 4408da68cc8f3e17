from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.demo.ninety_days import WHOLE, NotEmpty, Scale, fill_demo
from core.clock import now


class Command(BaseCommand):
    help = "Fill an empty database with a demo company's last ninety days. A filled one is left as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customers", type=int, default=WHOLE.customers, help="how many, at most 40")
        parser.add_argument("--days", type=int, default=WHOLE.days, help="how far back")
        parser.add_argument("--events", type=int, default=WHOLE.events, help="about how many in all")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.STRIPE_API_KEY:
            raise CommandError(
                "STRIPE_API_KEY is set: the demo's invoices would go to Stripe. Start without it."
            )
        scale = Scale(options["customers"], options["days"], options["events"])
        try:
            fill_demo(now=now(), sign_ins=settings.PLACES.demo, scale=scale, tell=self._tell)
        except NotEmpty:
            self.stdout.write("The database holds customers already; nothing was changed.")
            return
        self.stdout.write(f"The sign-ins are in {settings.PLACES.demo}.")

    def _tell(self, line: str) -> None:
        """One line that is written over where there is a screen."""
        if self.stdout.isatty():
            self.stdout.write(f"\r\033[K{line}", ending="")
            self.stdout.flush()
        else:
            self.stdout.write(line)
