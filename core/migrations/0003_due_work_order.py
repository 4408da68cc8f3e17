from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Work is scheduled and done all the time: the index is built beside it.
    atomic = False

    dependencies = [("core", "0002_append_only")]

    operations = [
        AddIndexConcurrently(
            model_name="duework",
            index=models.Index(
                condition=models.Q(("parked_at__isnull", True)),
                fields=["due_at", "customer_id", "kind", "key"],
                name="due_work_order",
            ),
        ),
        RemoveIndexConcurrently(model_name="duework", name="due_work_due"),
    ]
