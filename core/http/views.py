from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.views import APIView

from core.http.bodies import is_chunked
from core.http.credentials import Credential
from core.problems import Unauthorized


class ApiView(APIView):
    """A view of the public API: a Bearer key is needed, with the scope that the method asks for.

    ``scopes`` names the scope by method; ``operator_methods`` are refused to customers' keys. HEAD is allowed to
    whom GET is.
    """

    scopes: ClassVar[Mapping[str, str]] = {
        "GET": "read",
        "OPTIONS": "read",
        "POST": "write",
        "PUT": "write",
        "PATCH": "write",
        "DELETE": "write",
    }
    operator_methods: ClassVar[frozenset[str]] = frozenset()

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        if is_chunked(request):
            # DRF skips a body whose length is absent or 0.
            request.META["CONTENT_LENGTH"] = "-1"
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        credential = credential_of(request)
        method = request.method or ""
        if hasattr(self, method.lower()):
            asked = "GET" if method == "HEAD" else method
            credential.require_scope(self.scopes[asked])
            if asked in self.operator_methods:
                credential.require_operator()


def credential_of(request: Request) -> Credential:
    """Who asks. Raises ``Unauthorized`` where nobody gave a key."""
    if not isinstance(request.auth, Credential):
        raise Unauthorized("Send your API key: Authorization: Bearer KEY.")
    return request.auth
