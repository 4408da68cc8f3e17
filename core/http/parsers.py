from collections.abc import Mapping
from typing import Any

from rest_framework.parsers import BaseParser

from core import strict_json
from core.http.bodies import read_body


class StrictJsonParser(BaseParser):
    """A request's body as a tree of JSON values; see ``core.strict_json`` for what it refuses."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        assert parser_context is not None
        return strict_json.loads(read_body(parser_context["request"]._request))
