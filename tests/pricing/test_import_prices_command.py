from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from pricing.models import PriceRow

pytestmark = pytest.mark.django_db
FEED = "provider,model,unit,price,per\nacme,rocket,input,3,1000000\n"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("import_prices", *arguments, stdout=out)
    return out.getvalue()


def test_a_file_is_imported_once_and_says_what_it_did(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(FEED)

    assert "1 staged" in run("--source", "csv", "--file", str(file))
    assert "already imported" in run("--source", "csv", "--file", str(file))
    assert not PriceRow.objects.exists()


def test_a_single_source_can_be_accepted(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(FEED)

    assert "1 new" in run(
        "--source", "csv", "--file", str(file), "--accept-single-source", "--as-version", "2"
    )
    assert PriceRow.objects.get().snapshot.version == "2"


def test_a_file_that_cannot_be_read_is_a_plain_error(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("provider\n")

    with pytest.raises(CommandError, match="column model is missing"):
        run("--source", "csv", "--file", str(file))
    with pytest.raises(CommandError, match="together"):
        run("--source", "csv")
    with pytest.raises(CommandError, match="No such file"):
        run("--source", "csv", "--file", str(tmp_path / "none.csv"))


def test_without_a_file_the_packaged_prices_come_in() -> None:
    assert "genai-prices" in run()
    assert PriceRow.objects.count() > 5_000
