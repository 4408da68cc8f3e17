"""The file of a backfill: kept in the database as it was sent, in pieces, and read back from there."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from uuid import UUID

from django.db import transaction
from django.db.models import F, Func, IntegerField, Max, Sum

from core import limits
from core.problems import Conflict, Invalid, TooLarge
from metering.models import Backfill, BackfillChunk


@transaction.atomic
def keep_part(backfill_id: UUID, part: int, pieces: Iterable[bytes]) -> int:
    """Keep one part of the file in place of an earlier one of its number; returns its bytes.

    Raises ``TooLarge`` where the file would pass its limit, ``Conflict`` where it is being read already.
    """
    backfill = Backfill.objects.select_for_update().get(id=backfill_id)
    if backfill.state != Backfill.State.CREATED:
        raise Conflict(
            f"The file is already there: the backfill is {backfill.state}. Make another for another file."
        )
    if not 1 <= part <= limits.BACKFILL_PARTS_MAX:
        raise Invalid.one("part", "number", f"Number the parts from 1 to {limits.BACKFILL_PARTS_MAX}.")
    BackfillChunk.objects.filter(backfill_id=backfill_id, part=part).delete()
    others = _bytes_of(backfill_id)
    size = 0
    for n, piece in enumerate(_even(pieces), start=1):
        size += len(piece)
        if others + size > limits.BACKFILL_FILE_BYTES_MAX:
            raise TooLarge(
                f"A file holds at most {limits.BACKFILL_FILE_BYTES_MAX:,} bytes; pack it with gzip, or split it."
            )
        BackfillChunk.objects.create(backfill_id=backfill_id, part=part, n=n, content=piece)
    if not size:
        raise Invalid.one("", "empty", "The body is empty; send the file's bytes.")
    Backfill.objects.filter(id=backfill_id).update(file_bytes=others + size)
    return size


@transaction.atomic
def keep_whole(backfill_id: UUID, pieces: Iterable[bytes]) -> int:
    """Keep the file in one, in place of whatever parts of it have come; returns its bytes. Raises as ``keep_part``."""
    BackfillChunk.objects.filter(backfill_id=backfill_id).delete()
    return keep_part(backfill_id, 1, pieces)


def check_complete(backfill_id: UUID) -> None:
    """Raises ``Conflict`` where no file has come, or a part of it is missing."""
    parts = BackfillChunk.objects.filter(backfill_id=backfill_id).aggregate(last=Max("part"))
    if parts["last"] is None:
        raise Conflict("No file has come yet; PUT it to …/file first.")
    there = set(
        BackfillChunk.objects.filter(backfill_id=backfill_id).values_list("part", flat=True).distinct()
    )
    missing = sorted(set(range(1, parts["last"] + 1)) - there)
    if missing:
        raise Conflict(f"Part {missing[0]} of {parts['last']} has not come yet.")


def drop_file(backfill_id: UUID) -> None:
    """Forget the bytes; their hash and size stay."""
    BackfillChunk.objects.filter(backfill_id=backfill_id).delete()


@contextmanager
def file_on_disk(backfill_id: UUID) -> Iterator[tuple[BinaryIO, str]]:
    """The file in a temporary place of this machine, and its SHA-256."""
    with tempfile.TemporaryFile(prefix="backfill-") as there:
        digest = hashlib.sha256()
        for piece in _pieces(backfill_id):
            digest.update(piece)
            there.write(piece)
        there.seek(0)
        yield there, digest.hexdigest()


def _pieces(backfill_id: UUID) -> Iterator[bytes]:
    """The pieces in order, one in memory at a time."""
    chunks = BackfillChunk.objects.filter(backfill_id=backfill_id)
    for chunk_id in list(chunks.order_by("part", "n").values_list("id", flat=True)):
        yield bytes(BackfillChunk.objects.values_list("content", flat=True).get(id=chunk_id))


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that each fit a row of the database."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= limits.BACKFILL_CHUNK_BYTES:
            yield bytes(held[: limits.BACKFILL_CHUNK_BYTES])
            del held[: limits.BACKFILL_CHUNK_BYTES]
    if held:
        yield bytes(held)


def _bytes_of(backfill_id: UUID) -> int:
    length = Func(F("content"), function="octet_length", output_field=IntegerField())
    chunks = BackfillChunk.objects.filter(backfill_id=backfill_id)
    return int(chunks.aggregate(sum=Sum(length))["sum"] or 0)
