from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0007_value_events"),
    ]

    operations = [
        migrations.AddField(
            model_name="creditdraw",
            name="subscription_id",
            field=models.UUIDField(
                help_text="for which it was burnt: each that holds an event burns it; null in draws of old",
                null=True,
            ),
        ),
    ]
