from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Indexes of tables that events are being written to are built beside the writing.
    atomic = False

    dependencies = [("metering", "0004_arrivals")]

    operations = [
        AddIndexConcurrently(
            model_name='eventconflict',
            index=models.Index(fields=['event_id'], name='conflict_id'),
        ),
        AddIndexConcurrently(
            model_name='eventconflict',
            index=models.Index(fields=['recorded_at'], name='conflict_time'),
        ),
        AddIndexConcurrently(
            model_name='unmatchedevent',
            index=models.Index(condition=models.Q(('discarded_at', None), ('matched_at', None)), fields=['customer_key', 'recorded_at'], name='unmatched_waiting'),
        ),
        AddIndexConcurrently(
            model_name='unmatchedevent',
            index=models.Index(fields=['event_id'], name='unmatched_event'),
        ),
    ]
