
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("pricing", "0004_burn_table_unlisted"),
    ]

    operations = [
        migrations.CreateModel(
            name="PriceSync",
            fields=[
                ("source", models.CharField(max_length=40, primary_key=True, serialize=False)),
                (
                    "address",
                    models.CharField(
                        blank=True, default="", help_text="'' = packaged with Burnline", max_length=500
                    ),
                ),
                ("tried_at", models.DateTimeField(help_text="when it was last asked for")),
                (
                    "read_at",
                    models.DateTimeField(help_text="when it was last read without an error", null=True),
                ),
                (
                    "error",
                    models.CharField(
                        blank=True, default="", help_text="of the last try; '' = none", max_length=500
                    ),
                ),
                (
                    "snapshot",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="pricing.pricesnapshot",
                    ),
                ),
            ],
        ),
    ]
