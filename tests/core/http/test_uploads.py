"""Files are taken in from the operator's own people alone."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import RequestFactory

from core import limits


@pytest.fixture
def kept_in(settings: Any, tmp_path: Path) -> Path:
    """Where files would be kept, however small they are."""
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    return tmp_path


class Staff:
    is_staff = True


def posted(user: Any) -> Any:
    file = SimpleUploadedFile("usage.csv", b"id,time\n" * 100_000)
    request: Any = RequestFactory().post("/console/backfills/new", {"file": file, "note": "a day"})
    request.user = user
    return request


def test_staff_bring_files(kept_in: Path) -> None:
    request = posted(Staff())
    assert request.FILES["file"].size == 800_000 and request.POST["note"] == "a day"
    assert list(kept_in.iterdir())
    request.close()


@pytest.mark.parametrize("user", [None, AnonymousUser()])
def test_a_strangers_file_leaves_nothing(kept_in: Path, user: Any) -> None:
    request = posted(user)
    assert not request.FILES and request.POST["note"] == "a day"
    assert not list(kept_in.iterdir())


def test_what_is_too_large_leaves_nothing(kept_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BACKFILL_FILE_BYTES_MAX", 500_000)
    request = posted(Staff())
    assert not request.FILES
    assert not list(kept_in.iterdir())
