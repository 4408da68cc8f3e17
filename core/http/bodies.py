"""The bytes of a request, unpacked, and never more of them than the limit."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from django.http import HttpRequest, UnreadablePostError

from core import limits
from core.problems import Malformed, Problem, TooLarge

CHUNK_BYTES = 64 * 1024
_GZIP_MEMBER = b"\x1f\x8b"


class UnsupportedEncoding(Problem):
    status = 415
    code = "unsupported_encoding"
    title = "The body's encoding is not one that is read"


def read_body(request: HttpRequest, *, most: int = limits.BODY_BYTES_MAX) -> bytes:
    """The whole body, of at most ``most`` bytes, with ``Content-Encoding: gzip`` or ``deflate`` undone.

    Raises ``TooLarge`` as soon as either form passes the limit, ``Malformed`` for a packing that lies, ``Unavailable``
    while too many bodies are being received.
    """
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    packed = _read(request, most)
    if encoding in {"identity", ""}:
        return packed
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise UnsupportedEncoding(
            f"Content-Encoding {encoding[:40]!r} is not read; send gzip, deflate, or nothing."
        )
    return _unpack(packed, encoding, most)


def is_chunked(request: HttpRequest) -> bool:
    """Whether the body comes in chunks, without a length told beforehand."""
    return "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower()


def _read(request: HttpRequest, most: int) -> bytes:
    # Django reads nothing of a body that comes in chunks; the server below it has the bytes all the same.
    stream = cast(BinaryIO, request.META["wsgi.input"] if is_chunked(request) else request)
    length = 0 if is_chunked(request) else int(request.META.get("CONTENT_LENGTH") or 0)
    if length > most:
        raise _too_large(most)
    try:
        body = stream.read(most + 1)
    except (UnreadablePostError, OSError):
        raise Malformed("The connection ended before the body did.") from None
    if len(body) > most:
        raise _too_large(most)
    if len(body) < length:
        raise Malformed("The body is shorter than its Content-Length.")
    return body


def read_pieces(request: HttpRequest, *, most: int) -> Iterator[bytes]:
    """The body as it comes, a piece at a time, packed or not as it was sent.

    Raises ``TooLarge`` as soon as it passes the limit, ``Malformed`` where it ends too early, ``Unavailable`` while too many
    bodies are being received.
    """
    chunked = is_chunked(request)
    stream = cast(BinaryIO, request.META["wsgi.input"] if chunked else request)
    length = 0 if chunked else int(request.META.get("CONTENT_LENGTH") or 0)
    if length > most:
        raise _too_large(most)
    read = 0
    while chunked or read < length:
        try:
            piece = stream.read(CHUNK_BYTES)
        except (UnreadablePostError, OSError):
            raise Malformed("The connection ended before the body did.") from None
        if not piece:
            break
        read += len(piece)
        if read > most:
            raise _too_large(most)
        yield piece
    if read < length:
        raise Malformed("The body is shorter than its Content-Length.")


def _unpack(packed: bytes, encoding: str, most: int) -> bytes:
    body = bytearray()
    # Several members behind each other are one gzip file: log shippers pack piece by piece.
    for _ in range(limits.GZIP_MEMBERS_MAX):
        # 32 added to the window size lets zlib tell gzip and zlib apart by their first bytes.
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            body += unpacker.decompress(packed, most + 1 - len(body))
        except zlib.error:
            raise Malformed(f"The body is not {encoding}.") from None
        if len(body) > most:
            raise _too_large(most)
        if not unpacker.eof:
            raise Malformed(f"The {encoding} body is cut short.")
        packed = unpacker.unused_data
        if not packed.startswith(_GZIP_MEMBER):
            break
    if packed:
        raise Malformed(f"Bytes follow the end of the {encoding} body.")
    return bytes(body)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"A body holds at most {most:,} bytes, unpacked; send it in parts.")
