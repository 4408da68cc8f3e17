"""Versions of a plan that put another one right; which one, from when and why are as fixed as the terms."""

import django.db.models.deletion
from django.db import migrations, models

FUNCTION = """
CREATE OR REPLACE FUNCTION burnline_published_plan_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.terms IS DISTINCT FROM OLD.terms OR NEW.number IS DISTINCT FROM OLD.number
       OR NEW.plan_id IS DISTINCT FROM OLD.plan_id OR NEW.published_at IS DISTINCT FROM OLD.published_at{more}
       OR NEW.status = 'draft' THEN
        RAISE EXCEPTION 'a published plan version never changes: add a new version'
            USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
"""
MORE = """
       OR (NEW.corrects_id, NEW.effective_at, NEW.note) IS DISTINCT FROM (OLD.corrects_id, OLD.effective_at, OLD.note)"""


class Migration(migrations.Migration):
    dependencies = [("pricing", "0005_price_sync")]

    operations = [
        migrations.AddField(
            model_name="planversion",
            name="corrects",
            field=models.ForeignKey(
                help_text="sold by mistake",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="corrections",
                to="pricing.planversion",
            ),
        ),
        migrations.AddField(
            model_name="planversion",
            name="effective_at",
            field=models.DateTimeField(
                help_text="a correction holds for what happened from here on; null = from the beginning",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="planversion",
            name="note",
            field=models.CharField(
                blank=True, default="", help_text="what a correction puts right", max_length=300
            ),
        ),
        migrations.RunSQL(FUNCTION.format(more=MORE), FUNCTION.format(more="")),
    ]
