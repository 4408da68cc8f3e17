"""The schema of refused and unmatched events. It describes; the views do the reading."""

from typing import Any

from rest_framework import serializers

from core import limits
from core.http.schema import FieldErrorSchema
from metering.models import RejectedEvent


class RejectedEventSchema(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="rej_…")
    event = serializers.CharField(allow_null=True, help_text="the event's own id, where it could be read")
    customer = serializers.CharField(allow_null=True, help_text="as the sender named it")
    door = serializers.CharField()
    code = serializers.CharField()
    field = serializers.CharField(allow_null=True)
    detail = serializers.CharField()
    errors = FieldErrorSchema(many=True)  # type: ignore[assignment]
    received = serializers.DictField(
        allow_null=True, help_text="the event in its door's own shape, without prompts and answers"
    )
    times_seen = serializers.IntegerField()
    recorded_at = serializers.DateTimeField()
    latest_at = serializers.DateTimeField()
    state = serializers.ChoiceField(choices=["open", "settled"])
    outcome = serializers.ChoiceField(choices=RejectedEvent.Outcome.values, allow_null=True)
    closed_by = serializers.CharField(allow_null=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "source": serializers.CharField(allow_null=True)}

    class Meta:
        ref_name = "RejectedEvent"


class NewReplaySchema(serializers.Serializer[Any]):
    event = serializers.DictField(required=False, help_text="what to send in place of what came")

    class Meta:
        ref_name = "NewReplay"


class ReplayedSchema(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=RejectedEvent.Outcome.values)
    detail = serializers.CharField()
    errors = FieldErrorSchema(many=True)  # type: ignore[assignment]
    settled = serializers.BooleanField(help_text="whether it is stored now, or kept for its customer")

    class Meta:
        ref_name = "Replayed"


class UnmatchedEventSchema(serializers.Serializer[Any]):
    id = serializers.CharField()
    customer = serializers.CharField(help_text="the unknown key that it names")
    type = serializers.CharField()
    door = serializers.CharField()
    recorded_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {**super().get_fields(), "source": serializers.CharField()}

    class Meta:
        ref_name = "UnmatchedEvent"


class KeySchema(serializers.Serializer[Any]):
    key = serializers.CharField(max_length=limits.ID_CHARACTERS_MAX, help_text="the unknown key")

    class Meta:
        ref_name = "UnknownKey"


class TakeInSchema(KeySchema):
    customer = serializers.CharField(
        max_length=limits.ID_CHARACTERS_MAX, help_text="key of the customer they are of"
    )

    class Meta:
        ref_name = "TakeIn"


class TakenInSchema(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    conflicts = serializers.IntegerField()
    left = serializers.IntegerField(help_text="taken in within a minute")

    class Meta:
        ref_name = "TakenIn"


class DiscardedSchema(serializers.Serializer[Any]):
    discarded = serializers.IntegerField()

    class Meta:
        ref_name = "Discarded"
