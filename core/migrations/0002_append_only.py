"""The database's own guards: rows that may never change, and ledger transactions that must balance."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION burnline_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are append-only: a correction is a new row', TG_RELID::regclass
        USING ERRCODE = '23514';
END $$;
"""

BACKWARD = "DROP FUNCTION burnline_append_only();"


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
