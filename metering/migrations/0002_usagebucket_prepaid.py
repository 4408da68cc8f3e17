from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="usagebucket",
            name="prepaid",
            field=models.DecimalField(
                decimal_places=18,
                default=0,
                help_text="money at which the covered credits were granted",
                max_digits=38,
            ),
        ),
    ]
