from django.db import models


class Plan(models.Model):
    """Something sold, under one name, in versions."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField()
    archived_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class PlanVersion(models.Model):
    """The exact terms of a plan. Once published they never change: a trigger in the database holds that."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"
        RETIRED = "retired"

    id = models.BigAutoField(primary_key=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    terms = models.JSONField(help_text="fee, interval, charges, grants: see pricing.plan_terms.PlanTerms")
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    corrects = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, related_name="corrections", help_text="sold by mistake"
    )
    effective_at = models.DateTimeField(
        null=True, help_text="a correction holds for what happened from here on; null = from the beginning"
    )
    note = models.CharField(max_length=300, blank=True, default="", help_text="what a correction puts right")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["plan", "number"], name="plan_version_number")]

    def __str__(self) -> str:
        return f"{self.plan.name} v{self.number}"
