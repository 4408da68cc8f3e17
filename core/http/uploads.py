"""Files that come with a form: taken in from the operator's own people alone, and no more of them than a page reads."""

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile

from core import limits


class StaffUploads(FileUploadHandler):
    """Stands before the handlers that keep files. Whatever it passes over leaves nothing on the disk.

    A form is read before its page says who may post to it, so without this a stranger could fill the disk at any address.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if not getattr(getattr(self.request, "user", None), "is_staff", False):
            raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        if start + len(raw_data) > limits.BACKFILL_FILE_BYTES_MAX:
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """The next handler has the file."""
        return None
