from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from core.clock import now
from core.http.credentials import Credential
from core.limits import WRONG_KEYS_PER_MINUTE_MAX
from core.problems import TooManyRequests, Unauthorized
from customers.api_keys import authenticate

# Counted in each process by itself: it holds without Redis, and a guesser gains nothing from a few processes.
wrong_keys = FixedWindowRateLimiter(MemoryStorage())
WRONG_KEYS = RateLimitItemPerMinute(WRONG_KEYS_PER_MINUTE_MAX)


class BearerKey(BaseAuthentication):
    """``Authorization: Bearer KEY``. A request without the header stays anonymous; one with a wrong key is
    refused.
    """

    def authenticate(self, request: Request) -> tuple[None, Credential] | None:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, key = header.strip().partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Unauthorized("Send your API key as: Authorization: Bearer KEY.")
        credential = authenticate(key.strip(), now())
        if credential is None:
            raise self._refusal(request)
        return None, credential

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Burnline"'

    def _refusal(self, request: Request) -> Unauthorized | TooManyRequests:
        if wrong_keys.hit(WRONG_KEYS, request.META.get("REMOTE_ADDR", "")):
            return Unauthorized("This API key is not known, or was revoked.")
        return TooManyRequests(
            "Too many wrong API keys came from this address.", extra={"retry_after_seconds": 60}
        )


class BearerKeyScheme(OpenApiAuthenticationExtension):
    target_class = "customers.authentication.BearerKey"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key with the scopes ingest, read, write.",
        }
