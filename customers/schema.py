"""The customers' part of the published schema. It describes; ``customers.api`` does the reading."""

from typing import Any

from rest_framework import serializers

from core import limits
from core.http.schema import DecimalText


class CustomerSchema(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="your own id for this customer")
    name = serializers.CharField()
    email = serializers.CharField()
    currency = serializers.CharField()
    timezone = serializers.CharField(help_text="IANA name; sets the midnights at which periods begin and end")
    next_timezone = serializers.CharField(allow_null=True, help_text="takes over at the next period")
    tax_rate = DecimalText(help_text="0.19 is 19 %")
    tax_name = serializers.CharField()
    address = serializers.CharField()
    created_at = serializers.DateTimeField()

    class Meta:
        ref_name = "Customer"


class ChangeCustomerSchema(serializers.Serializer[Any]):
    name = serializers.CharField(required=False, max_length=limits.NAME_CHARACTERS_MAX)
    email = serializers.CharField(required=False, allow_blank=True)
    timezone = serializers.CharField(required=False)
    tax_rate = DecimalText(required=False)
    tax_name = serializers.CharField(
        required=False, allow_blank=True, max_length=limits.TAX_NAME_CHARACTERS_MAX
    )
    address = serializers.CharField(
        required=False, allow_blank=True, max_length=limits.ADDRESS_CHARACTERS_MAX
    )

    class Meta:
        ref_name = "ChangeCustomer"


class NewCustomerSchema(ChangeCustomerSchema):
    key = serializers.CharField(max_length=limits.ID_CHARACTERS_MAX, help_text="visible ASCII, no slash")
    name = serializers.CharField(max_length=limits.NAME_CHARACTERS_MAX)
    currency = serializers.CharField(
        required=False, help_text="ISO 4217; USD if absent", min_length=3, max_length=3
    )

    class Meta:
        ref_name = "NewCustomer"


class NewPortalLinkSchema(serializers.Serializer[Any]):
    expires_in_seconds = serializers.IntegerField(
        required=False, min_value=limits.PORTAL_LINK_SECONDS_MIN, max_value=limits.PORTAL_LINK_SECONDS_MAX
    )

    class Meta:
        ref_name = "NewPortalLink"


class PortalLinkSchema(serializers.Serializer[Any]):
    url = serializers.URLField()
    expires_at = serializers.DateTimeField()

    class Meta:
        ref_name = "PortalLink"
