"""Pieces of the API's published schema that every room uses. They describe; the reading is done by
``core.fields``.
"""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from core import limits


class FieldErrorSchema(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="path of the field: charges[0].tiers[1].up_to")
    code = serializers.CharField()
    detail = serializers.CharField(help_text="what would be right")

    class Meta:
        ref_name = "FieldError"


class ProblemSchema(serializers.Serializer[Any]):
    """A refusal (RFC 9457). Programs should test ``code``; ``detail`` is for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    errors = FieldErrorSchema(many=True)  # type: ignore[assignment]

    class Meta:
        ref_name = "Problem"


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="A fresh id for each request, such as a UUID: sent again with it, it is carried out once.",
)
LIMIT = OpenApiParameter(
    "limit",
    OpenApiTypes.INT,
    description=f"rows in a page: 1 to {limits.PAGE_ROWS_MAX}, {limits.PAGE_ROWS_DEFAULT} if absent",
)
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="`next` of the page before")
SEARCH = OpenApiParameter("q", OpenApiTypes.STR, description="words to search for")
PAGE_PARAMETERS = [LIMIT, CURSOR]


def refusals(*statuses: int) -> dict[tuple[int, str], Any]:
    """The problem answers of an endpoint, beside those that every endpoint can give."""
    return {
        (status, "application/problem+json"): ProblemSchema
        for status in sorted({400, 401, 403, 429, 503, *statuses})
    }


def page_schema(name: str, item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """The schema of a list of such items."""
    return inline_serializer(
        name=name,
        fields={
            "results": item(many=True),
            "next": serializers.CharField(
                allow_null=True, help_text="cursor of the next page, or null at the end"
            ),
        },
    )


class DecimalText(serializers.CharField):
    """A decimal number, written as text; a JSON number is taken as well."""
