"""Prices, burn tables and published plan versions never change; a correction is a new row."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER price_row_append_only BEFORE UPDATE OR DELETE ON pricing_pricerow
    FOR EACH ROW EXECUTE FUNCTION burnline_append_only();
CREATE TRIGGER model_alias_append_only BEFORE UPDATE OR DELETE ON pricing_modelalias
    FOR EACH ROW EXECUTE FUNCTION burnline_append_only();
CREATE TRIGGER burn_table_version_append_only BEFORE UPDATE OR DELETE ON pricing_burntableversion
    FOR EACH ROW EXECUTE FUNCTION burnline_append_only();
CREATE FUNCTION burnline_published_plan_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.terms IS DISTINCT FROM OLD.terms OR NEW.number IS DISTINCT FROM OLD.number
       OR NEW.plan_id IS DISTINCT FROM OLD.plan_id OR NEW.published_at IS DISTINCT FROM OLD.published_at
       OR NEW.status = 'draft' THEN
        RAISE EXCEPTION 'a published plan version never changes: add a new version'
            USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER plan_version_published BEFORE UPDATE OR DELETE ON pricing_planversion
    FOR EACH ROW WHEN (OLD.status <> 'draft') EXECUTE FUNCTION burnline_published_plan_version();
"""

BACKWARD = """
DROP TRIGGER price_row_append_only ON pricing_pricerow;
DROP TRIGGER model_alias_append_only ON pricing_modelalias;
DROP TRIGGER burn_table_version_append_only ON pricing_burntableversion;
DROP TRIGGER plan_version_published ON pricing_planversion;
DROP FUNCTION burnline_published_plan_version();
"""


class Migration(migrations.Migration):
    dependencies = [("pricing", "0001_initial"), ("core", "0002_append_only")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
