"""The meters' part of the published schema. It describes; ``metering.meters`` does the reading."""

from typing import Any

from rest_framework import serializers

from core import limits
from metering.models import Meter
from metering.units import UNIT_CHARACTERS_MAX


class NewMeterSchema(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=limits.KEY_CHARACTERS_MAX)
    name = serializers.CharField(required=False, allow_blank=True, max_length=limits.NAME_CHARACTERS_MAX)
    unit = serializers.CharField(
        required=False, allow_blank=True, max_length=UNIT_CHARACTERS_MAX, help_text="token, image, ticket"
    )
    event_type = serializers.CharField(max_length=120)
    aggregation = serializers.ChoiceField(choices=Meter.Aggregation.values)
    value = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="a path: usage.output, quantity, properties.pages; none for count",
    )
    filter = serializers.DictField(
        required=False,
        child=serializers.ListField(child=serializers.CharField()),
        help_text="path → accepted values",
    )
    group_by = serializers.ListField(
        required=False, child=serializers.CharField(), max_length=limits.METER_GROUP_BY_MAX
    )

    class Meta:
        ref_name = "NewMeter"


class MeterSchema(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    unit = serializers.CharField()
    event_type = serializers.CharField()
    aggregation = serializers.CharField()
    value = serializers.CharField(allow_null=True)
    filter = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))
    group_by = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "Meter"
