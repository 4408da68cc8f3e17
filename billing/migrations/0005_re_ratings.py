"""Re-ratings, and draws on grants that a correction takes back."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
ALTER TABLE billing_creditdraw DROP CONSTRAINT credit_draw_finite;
ALTER TABLE billing_creditdraw ADD CONSTRAINT credit_draw_finite CHECK (credits <> 'NaN'::numeric);
"""
BACKWARD = """
ALTER TABLE billing_creditdraw DROP CONSTRAINT credit_draw_finite;
ALTER TABLE billing_creditdraw ADD CONSTRAINT credit_draw_finite
    CHECK (credits <> 'NaN'::numeric AND (credits >= 0 OR grant_id IS NULL));
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0004_plans_that_change"),
        ("customers", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReRating",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("span_start", models.DateTimeField(help_text="events that happened from here on")),
                ("span_end", models.DateTimeField(help_text="exclusive")),
                ("reason", models.CharField(max_length=300)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("counting", "Counting"),
                            ("ready", "Ready"),
                            ("applying", "Applying"),
                            ("applied", "Applied"),
                        ],
                        default="counting",
                        max_length=10,
                    ),
                ),
                (
                    "price_book",
                    models.BigIntegerField(help_text="version of the price book that was looked at"),
                ),
                (
                    "burn_tables",
                    models.BigIntegerField(help_text="id of the newest version of any burn table then"),
                ),
                ("created_at", models.DateTimeField()),
                ("created_by", models.CharField(blank=True, default="", max_length=200)),
                (
                    "applied_at",
                    models.DateTimeField(help_text="when the last customer was corrected", null=True),
                ),
                ("applied_by", models.CharField(blank=True, default="", max_length=200)),
                (
                    "customer",
                    models.ForeignKey(
                        help_text="null = every customer",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="customers.customer",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ReRatingStep",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "customer_id",
                        "re_rating_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("waiting", "Waiting"), ("found", "Found"), ("applied", "Applied")],
                        default="waiting",
                        max_length=8,
                    ),
                ),
                (
                    "found",
                    models.JSONField(help_text="what the dry run saw: see billing.recounts.consequences", null=True),
                ),
                ("applied", models.JSONField(help_text="what applying changed", null=True)),
                ("found_at", models.DateTimeField(null=True)),
                ("applied_at", models.DateTimeField(null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="customers.customer"
                    ),
                ),
                (
                    "re_rating",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="billing.rerating",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["re_rating", "state"], name="re_rating_step_state")],
            },
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
