"""The schema of value events. It describes; ``billing.attribution.value_events`` does the reading."""

from typing import Any

from rest_framework import serializers

from core import limits


class NewValueEventSchema(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=limits.KEY_CHARACTERS_MAX)
    name = serializers.CharField(required=False, allow_blank=True, max_length=limits.NAME_CHARACTERS_MAX)
    event_type = serializers.CharField(max_length=limits.EVENT_TYPE_CHARACTERS_MAX)
    filter = serializers.DictField(
        required=False, help_text='path → accepted values, {"not_in": […]} or {"exists": true}'
    )
    links = serializers.ListField(
        required=False,
        child=serializers.CharField(),
        max_length=limits.VALUE_LINKS_MAX,
        help_text="what an outcome shares with its work, the strongest first: run, session, properties.ticket",
    )
    window_days = serializers.IntegerField(
        required=False, min_value=1, max_value=limits.VALUE_WINDOW_DAYS_MAX
    )
    reversed_by = serializers.CharField(
        required=False, allow_blank=True, max_length=limits.EVENT_TYPE_CHARACTERS_MAX
    )
    reversal_days = serializers.IntegerField(
        required=False, min_value=0, max_value=limits.VALUE_WINDOW_DAYS_MAX
    )

    class Meta:
        ref_name = "NewValueEvent"


class ValueEventSchema(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    event_type = serializers.CharField()
    filter = serializers.DictField()
    links = serializers.ListField(child=serializers.CharField())
    window_days = serializers.IntegerField()
    reversed_by = serializers.CharField(allow_null=True)
    reversal_days = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    archived_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        ref_name = "ValueEvent"


class ValueReportSchema(serializers.Serializer[Any]):
    value_event = serializers.CharField()
    to = serializers.CharField()
    kept_since = serializers.DateTimeField(
        allow_null=True, help_text="single events of the span before it are removed, and not in the sums"
    )
    group_by = serializers.ListField(child=serializers.CharField())
    results = serializers.ListField(child=serializers.DictField())
    total = serializers.DictField()

    class Meta:
        ref_name = "ValueReport"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"from": serializers.CharField(), **super().get_fields()}
