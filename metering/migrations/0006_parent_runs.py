"""Runs are found by the run that started them. Made beside running writes: a large table is not locked."""

import django.db.models.fields.json
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("metering", "0005_arrival_indexes")]

    operations = [
        AddIndexConcurrently(
            model_name="event",
            index=models.Index(
                models.F("customer_id"),
                django.db.models.fields.json.KeyTextTransform("parent", "run"),
                condition=models.Q(("run__has_key", "parent")),
                name="event_parent_run",
            ),
        ),
    ]
