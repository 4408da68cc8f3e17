"""What a corrected plan leaves behind: which stretch went over to which version, and what is still to be billed."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0005_re_ratings'),
        ('customers', '0001_initial'),
        ('pricing', '0006_plan_corrections'),
    ]

    operations = [
        migrations.AddField(
            model_name='invoiceline',
            name='corrects',
            field=models.CharField(blank=True, default='', help_text='kind of the lines that a correction is of; empty = usage', max_length=20),
        ),
        migrations.AddField(
            model_name='lateperiod',
            name='corrected',
            field=models.BooleanField(default=False, help_text='by another version of the plan'),
        ),
        migrations.AddField(
            model_name='rerating',
            name='plan_version',
            field=models.ForeignKey(help_text='the correction that is carried to those who have what it corrects; null = prices and burn tables', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.planversion'),
        ),
        migrations.CreateModel(
            name='SegmentCorrection',
            fields=[
                ('pk', models.CompositePrimaryKey('customer_id', 'segment_id', 're_rating_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('segment_id', models.UUIDField()),
                ('re_rating_id', models.UUIDField()),
                ('corrected_at', models.DateTimeField()),
                ('customer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='customers.customer')),
                ('from_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.planversion')),
                ('to_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='pricing.planversion')),
            ],
        ),
        migrations.RunSQL(
            """
            CREATE TRIGGER segment_correction_append_only BEFORE UPDATE OR DELETE ON billing_segmentcorrection
                FOR EACH ROW EXECUTE FUNCTION burnline_append_only();
            """,
            "DROP TRIGGER segment_correction_append_only ON billing_segmentcorrection;",
        ),
    ]
