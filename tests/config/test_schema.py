"""The published schema of the API: nothing in it is guessed."""

from pathlib import Path

from django.core.management import call_command


def test_it_is_valid_and_every_name_in_it_is_given(tmp_path: Path) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yaml"))
