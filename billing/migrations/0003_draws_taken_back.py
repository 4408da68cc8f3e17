"""Overage that a later grant covers is drawn back by a row below zero; draws on grants stay above."""

from django.db import migrations

FORWARD = """
ALTER TABLE billing_creditdraw DROP CONSTRAINT credit_draw_finite;
ALTER TABLE billing_creditdraw ADD CONSTRAINT credit_draw_finite
    CHECK (credits <> 'NaN'::numeric AND (credits >= 0 OR grant_id IS NULL));
"""
BACKWARD = """
ALTER TABLE billing_creditdraw DROP CONSTRAINT credit_draw_finite;
ALTER TABLE billing_creditdraw ADD CONSTRAINT credit_draw_finite CHECK (credits <> 'NaN'::numeric AND credits >= 0);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0002_guards")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
