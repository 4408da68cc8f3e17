"""A request's query string, read as strictly as a body."""

from typing import TypeVar

from rest_framework.request import Request

from core import limits
from core.fields import REQUIRED, Fields, Required
from core.texts import whole_of

D = TypeVar("D")


class Query(Fields):
    """The fields of a query string. Numbers and truth values are written as text there; an unknown or
    repeated name is an error, so that a mistyped filter never lists everything.
    """

    def integer(self, name: str, default: D | Required = REQUIRED, *, least: int, most: int) -> int | D:
        def whole(value: str) -> int:
            number = whole_of(value)
            if number is None or not least <= number <= most:
                raise ValueError(f"Write a whole number from {least} to {most}.")
            return number

        return self._read(name, whole, default, "integer", least)

    def flag(self, name: str, default: bool | Required = REQUIRED) -> bool:
        def either(value: str) -> bool:
            if value not in {"true", "false"}:
                raise ValueError("Write true or false.")
            return value == "true"

        return self._read(name, either, default, "boolean", False)

    def search(self, name: str = "q") -> str:
        """Words to search for; empty where there are none."""
        return self.text(name, most=limits.SEARCH_CHARACTERS_MAX, default="")


def query_of(request: Request) -> Query:
    """The query string of the request. Read what you know, then call ``done()``."""
    query = Query({name: values[-1] for name, values in request.query_params.lists()})
    for name, values in request.query_params.lists():
        if len(values) > 1:
            query.refuse(name, "repeated", "It stands twice in the address; write it once.")
    return query
