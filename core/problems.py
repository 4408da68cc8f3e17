"""Every refusal of the product, as RFC 9457 problem details.

Domain code raises a ``Problem``; the HTTP edge turns it into ``application/problem+json``. The ``code`` is stable and
is what programs should test; ``detail`` is a sentence for people; ``errors`` names each field that is wrong.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class FieldError:
    """One wrong field: its path as the client wrote it (``charges[0].tiers[1].up_to``), a stable code, a sentence."""

    field: str
    code: str
    detail: str

    def as_json(self) -> dict[str, str]:
        return {"field": self.field, "code": self.code, "detail": self.detail}


@dataclass
class Problem(Exception):
    """A refusal with a stable code and an HTTP status."""

    detail: str
    errors: tuple[FieldError, ...] = ()
    extra: dict[str, object] = field(default_factory=dict)
    status = 400
    code = "bad_request"
    title = "The request cannot be carried out"

    def __post_init__(self) -> None:
        super().__init__(self.detail)

    def as_json(self) -> dict[str, object]:
        body: dict[str, object] = {
            "type": f"urn:burnline:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "errors": [error.as_json() for error in self.errors],
        }
        return body | self.extra


class Malformed(Problem):
    """The bytes are not what the content type says."""

    code = "malformed"
    title = "The body cannot be read"


class Invalid(Problem):
    """Readable, but a field is wrong; ``errors`` says which and what would be right."""

    status = 422
    code = "invalid"
    title = "Some fields are not right"

    @classmethod
    def one(cls, name: str, code: str, detail: str) -> "Invalid":
        return cls(detail, (FieldError(name, code, detail),))


class Unauthorized(Problem):
    status = 401
    code = "unauthorized"
    title = "A valid API key is needed"


class Forbidden(Problem):
    status = 403
    code = "forbidden"
    title = "This key may not do that"


class NotFound(Problem):
    """Also the answer for another customer's object: its existence is not ours to tell."""

    status = 404
    code = "not_found"
    title = "Nothing is there"


class Gone(Problem):
    """It was there, and was removed by the installation's own rule."""

    status = 410
    code = "gone"
    title = "That is no longer kept"


class Conflict(Problem):
    status = 409
    code = "conflict"
    title = "That would contradict what is already stored"


class TooLarge(Problem):
    status = 413
    code = "too_large"
    title = "The body is too large"


class TooManyRequests(Problem):
    status = 429
    code = "too_many_requests"
    title = "Too many requests"


class Unavailable(Problem):
    """Try again later; nothing was stored."""

    status = 503
    code = "unavailable"
    title = "Burnline cannot answer just now"
