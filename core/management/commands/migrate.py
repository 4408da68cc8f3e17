"""``manage.py migrate``: Django's own, fit for large tables that are in use."""

from typing import Any

from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections
from django.db.backends.utils import CursorWrapper

# An index is not valid from the moment its building begins; one that nobody builds any more was cut off.
CUT_OFF = """
SELECT index.indexrelid::regclass::text
FROM pg_index AS index JOIN pg_class AS class ON class.oid = index.indexrelid
WHERE NOT index.indisvalid AND class.relnamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT 1 FROM pg_stat_progress_create_index AS build WHERE build.index_relid = index.indexrelid)
"""


class Command(MigrateCommand):
    help = (
        f"{MigrateCommand.help} A statement may take as long as it needs; waiting for a lock still may not."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with connections[options["database"]].cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            try:
                self._drop_what_was_cut_off(cursor)
                super().handle(*args, **options)
            finally:
                cursor.execute("RESET statement_timeout")

    def _drop_what_was_cut_off(self, cursor: CursorWrapper) -> None:
        """Drop indexes whose building beside running writes did not end, for they stand in their own way."""
        cursor.execute(CUT_OFF)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
            self.stdout.write(f"Dropped {name}, whose building was cut off.")
