"""Own terms by time, trials, add-ons, and moves of subscribers to another version of their plan."""

import django.db.models.deletion
from django.db import migrations, models

CHILDREN = """
ALTER TABLE billing_subscriptionoverride ADD CONSTRAINT override_subscription
    FOREIGN KEY (customer_id, subscription_id) REFERENCES billing_subscription (customer_id, id);
ALTER TABLE billing_addon ADD CONSTRAINT add_on_subscription
    FOREIGN KEY (customer_id, subscription_id) REFERENCES billing_subscription (customer_id, id);
ALTER TABLE billing_addon ADD CONSTRAINT add_on_finite
    CHECK (amount <> 'NaN'::numeric AND quantity <> 'NaN'::numeric AND quantity > 0);
ALTER TABLE billing_planmovestep ADD CONSTRAINT plan_move_step_subscription
    FOREIGN KEY (customer_id, subscription_id) REFERENCES billing_subscription (customer_id, id);
"""
BACKWARD = """
ALTER TABLE billing_planmovestep DROP CONSTRAINT plan_move_step_subscription;
ALTER TABLE billing_addon DROP CONSTRAINT add_on_finite;
ALTER TABLE billing_addon DROP CONSTRAINT add_on_subscription;
ALTER TABLE billing_subscriptionoverride DROP CONSTRAINT override_subscription;
"""

# What a subscription began with held from its first day.
GIVEN_BEFORE = """
INSERT INTO billing_subscriptionoverride (customer_id, subscription_id, starts_at, overrides, created_at)
SELECT customer_id, id, starts_at, overrides, created_at FROM billing_subscription WHERE overrides <> '{}'::jsonb
"""


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0003_draws_taken_back"),
        ("customers", "0001_initial"),
        ("pricing", "0004_burn_table_unlisted"),
    ]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="trial_ends_at",
            field=models.DateTimeField(help_text="exclusive; before it nothing is charged", null=True),
        ),
        migrations.AlterField(
            model_name="subscription",
            name="overrides",
            field=models.JSONField(
                default=dict, help_text="own terms of the open period; SubscriptionOverride has all by time"
            ),
        ),
        migrations.CreateModel(
            name="PlanMove",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("who", models.JSONField(help_text="all, new_only, or a list of customers' keys")),
                (
                    "at",
                    models.DateTimeField(help_text="null = each at the start of its next period", null=True),
                ),
                ("created_at", models.DateTimeField()),
                ("cancelled_at", models.DateTimeField(null=True)),
                (
                    "plan_version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="pricing.planversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SubscriptionOverride",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "customer_id",
                        "subscription_id",
                        "starts_at",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("subscription_id", models.UUIDField()),
                (
                    "starts_at",
                    models.DateTimeField(help_text="start of the first period for which they hold"),
                ),
                ("overrides", models.JSONField(default=dict, help_text="empty = the plan's terms alone")),
                ("created_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="customers.customer"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="AddOn",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "customer_id", "id", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("id", models.UUIDField()),
                ("subscription_id", models.UUIDField()),
                (
                    "key",
                    models.CharField(
                        help_text="unique among those of the subscription that run", max_length=100
                    ),
                ),
                ("name", models.CharField(max_length=200)),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=18,
                        help_text="for one piece, for a whole period where it recurs",
                        max_digits=38,
                    ),
                ),
                ("quantity", models.DecimalField(decimal_places=18, default=1, max_digits=38)),
                ("recurring", models.BooleanField(default=False)),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField(help_text="exclusive; null = runs on", null=True)),
                ("created_at", models.DateTimeField()),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="customers.customer"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["customer", "subscription_id", "starts_at"], name="add_on_time")
                ],
            },
        ),
        migrations.CreateModel(
            name="PlanMoveStep",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "customer_id",
                        "move_id",
                        "subscription_id",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("subscription_id", models.UUIDField()),
                (
                    "from_version",
                    models.PositiveIntegerField(help_text="the version it had when the move was made"),
                ),
                ("at", models.DateTimeField(help_text="when the new version takes over")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("planned", "Planned"),
                            ("refused", "Refused"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="waiting",
                        max_length=9,
                    ),
                ),
                (
                    "detail",
                    models.CharField(blank=True, default="", help_text="why it was refused", max_length=500),
                ),
                ("settled_at", models.DateTimeField(help_text="when the state was reached", null=True)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="customers.customer"
                    ),
                ),
                (
                    "move",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="billing.planmove",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["move", "customer", "subscription_id"], name="plan_move_step_order")
                ],
            },
        ),
        migrations.RunSQL(CHILDREN, BACKWARD),
        migrations.RunSQL(GIVEN_BEFORE, migrations.RunSQL.noop),
    ]
