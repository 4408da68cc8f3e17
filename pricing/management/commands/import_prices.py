"""Bring provider prices into the price book: the packaged ones, or a file of another source."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.clock import now
from pricing.price_imports import ImportResult, import_price_list
from pricing.price_sources.files import FORMATS, read_prices
from pricing.price_sources.packaged import import_packaged_prices
from pricing.price_sources.quotes import SourceError


class Command(BaseCommand):
    help = "Import provider prices. Without a file: the prices packaged with Burnline. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", choices=list(FORMATS), help="what kind of file it is")
        parser.add_argument("--file", type=Path, help="the file to read")
        parser.add_argument("--as-version", default="", help="the source's version, if the file does not say")
        parser.add_argument(
            "--accept-single-source",
            action="store_true",
            help="apply prices that no second source confirms; jumps still wait",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["source"]) != bool(options["file"]):
            raise CommandError("Give --source and --file together, or neither for the packaged prices.")
        if not options["file"]:
            for result in import_packaged_prices(now=now()):
                self._tell(result)
            return
        try:
            text = options["file"].read_text(encoding="utf-8")
            prices = read_prices(options["source"], text, version=options["as_version"])
        except (OSError, UnicodeDecodeError, SourceError) as error:
            raise CommandError(str(error)) from error
        accept = options["accept_single_source"]
        self._tell(import_price_list(prices, now=now(), accept_single_source=accept, by="import_prices"))

    def _tell(self, result: ImportResult) -> None:
        snapshot = result.snapshot
        if result.repeated:
            self.stdout.write(
                f"{snapshot.source} {snapshot.version}: already imported as snapshot {snapshot.id}."
            )
            return
        counts = ", ".join(f"{count} {name}" for name, count in snapshot.diff["counts"].items() if count)
        self.stdout.write(
            f"{snapshot.source} {snapshot.version}: snapshot {snapshot.id}: {counts or 'no change'}."
        )
