"""The schema of usage, runs and value events. It describes; the views do the reading."""

from typing import Any

from rest_framework import serializers


class UsageSchema(serializers.Serializer[Any]):
    to = serializers.CharField(help_text="as it was asked for: a day, or a time")
    timezone = serializers.CharField(
        allow_null=True, help_text="whose days they are; null: each customer's own"
    )
    kept_since = serializers.DateTimeField(
        allow_null=True, help_text="single events of the span before it are removed, and not in the sums"
    )
    group_by = serializers.ListField(child=serializers.CharField())
    measures = serializers.ListField(child=serializers.CharField())
    results = serializers.ListField(
        child=serializers.DictField(),
        help_text="`group`: path → text, null where events have none; then each measure",
    )
    other = serializers.ListField(
        child=serializers.DictField(), help_text="what `top` left out, by time where time is grouped by"
    )
    total = serializers.DictField(help_text="every group together, those on other pages too")
    next = serializers.CharField(allow_null=True)

    class Meta:
        ref_name = "Usage"

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {"from": serializers.CharField(), **super().get_fields()}


class PropertyValueSchema(serializers.Serializer[Any]):
    value = serializers.CharField()
    events = serializers.IntegerField()

    class Meta:
        ref_name = "PropertyValue"


class PropertySchema(serializers.Serializer[Any]):
    path = serializers.CharField()
    events = serializers.IntegerField(help_text="of those looked at, how many hold something there")
    values = PropertyValueSchema(many=True)

    class Meta:
        ref_name = "Property"


class PropertiesSchema(serializers.Serializer[Any]):
    looked_at = serializers.IntegerField(help_text="how many events were read")
    complete = serializers.BooleanField(help_text="whether these are all events of the span")
    properties = PropertySchema(many=True)

    class Meta:
        ref_name = "Properties"


class PartSchema(serializers.Serializer[Any]):
    events = serializers.IntegerField()
    credits = serializers.CharField()
    cost = serializers.CharField(required=False, help_text="for operators, in USD")

    class Meta:
        ref_name = "RunPart"


class FiguresSchema(serializers.Serializer[Any]):
    events = serializers.IntegerField()
    tokens = serializers.CharField()
    credits = serializers.CharField()
    cost = serializers.CharField(required=False, help_text="for operators, in USD")
    failed = PartSchema(help_text="its calls that failed")
    retries = PartSchema(help_text="its calls of a second or later attempt")

    class Meta:
        ref_name = "RunFigures"


class RunSchema(FiguresSchema):
    id = serializers.CharField()
    customer = serializers.CharField()
    parent = serializers.CharField(  # type: ignore[assignment]
        allow_null=True, help_text="the run that started it"
    )
    status = serializers.ChoiceField(["ok", "failed"])
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    seconds = serializers.CharField()
    steps = serializers.IntegerField()

    class Meta:
        ref_name = "Run"


class RunListSchema(serializers.Serializer[Any]):
    results = RunSchema(many=True)
    next = serializers.CharField(allow_null=True)

    class Meta:
        ref_name = "RunList"


class NodeSchema(RunSchema):
    depth = serializers.IntegerField()
    whole = FiguresSchema(help_text="it and all below it")

    class Meta:
        ref_name = "RunNode"


class AttemptSchema(serializers.Serializer[Any]):
    attempt = serializers.IntegerField()
    status = serializers.CharField()
    started_at = serializers.DateTimeField()
    latency_ms = serializers.IntegerField(allow_null=True)
    events = serializers.IntegerField()
    tokens = serializers.CharField()
    credits = serializers.CharField()
    cost = serializers.CharField(required=False)

    class Meta:
        ref_name = "RunAttempt"


class StepSchema(serializers.Serializer[Any]):
    step = serializers.IntegerField(allow_null=True)
    status = serializers.CharField(help_text="of its last attempt")
    attempts = AttemptSchema(many=True)

    class Meta:
        ref_name = "RunStep"


class FailedRunsSchema(FiguresSchema):
    runs = serializers.IntegerField()

    class Meta:
        ref_name = "FailedRuns"


class RunTreeSchema(RunSchema):
    whole = FiguresSchema(help_text="it and all below it")
    failed_runs = FailedRunsSchema(help_text="the own figures of those runs of the tree that failed")
    tree = NodeSchema(many=True)
    complete = serializers.BooleanField(help_text="whether the tree holds all of its runs")
    results = StepSchema(many=True, help_text="a page of the run's own steps")
    next = serializers.CharField(allow_null=True)

    class Meta:
        ref_name = "RunTree"
