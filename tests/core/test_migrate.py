"""The command that migrates: it may take long, and takes up what an earlier one left."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connection

pytestmark = pytest.mark.django_db


def shown(name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return str(cursor.fetchone()[0])


def test_a_migration_may_take_longer_than_other_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    before = shown("statement_timeout")
    meanwhile = []
    monkeypatch.setattr(
        MigrateCommand,
        "handle",
        lambda *args, **options: meanwhile.extend([shown("statement_timeout"), shown("lock_timeout")]),
    )

    call_command("migrate", verbosity=0)

    assert meanwhile == ["0", "3s"]
    assert shown("statement_timeout") == before == "1min"


def test_an_index_whose_building_was_cut_off_is_dropped_and_no_other() -> None:
    said = StringIO()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE INDEX half_built ON core_duework (kind); CREATE INDEX whole ON core_duework (kind)"
        )
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'half_built'::regclass")

        call_command("migrate", verbosity=0, stdout=said)

        cursor.execute("SELECT to_regclass('half_built'), to_regclass('whole')")
        assert cursor.fetchone() == (None, "whole")
    assert said.getvalue() == "Dropped half_built, whose building was cut off.\n"
