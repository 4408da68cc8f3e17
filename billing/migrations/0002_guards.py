"""What the database itself refuses: a changed ledger, an unbalanced transaction, a changed document, a stray child."""

from django.db import migrations

APPEND_ONLY = """
CREATE TRIGGER ledger_transaction_append_only BEFORE UPDATE OR DELETE ON billing_ledgertransaction
    FOR EACH ROW EXECUTE FUNCTION burnline_append_only();
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON billing_ledgerentry
    FOR EACH ROW EXECUTE FUNCTION burnline_append_only();
CREATE TRIGGER credit_draw_append_only BEFORE UPDATE OR DELETE ON billing_creditdraw
    FOR EACH ROW EXECUTE FUNCTION burnline_append_only();
CREATE TRIGGER invoice_number_append_only BEFORE UPDATE OR DELETE ON billing_invoicenumber
    FOR EACH ROW EXECUTE FUNCTION burnline_append_only();
"""

# The check hangs on the transaction's row, so that a batch of entries is summed once and not once an entry; the
# composite foreign key below refuses entries without a transaction.
BALANCED = """
CREATE FUNCTION burnline_ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM billing_ledgerentry
               WHERE customer_id = NEW.customer_id AND transaction_id = NEW.id
               GROUP BY unit HAVING sum(amount) <> 0) THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.id USING ERRCODE = '23514';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_balanced AFTER INSERT ON billing_ledgertransaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION burnline_ledger_balanced();
"""

DOCUMENTS = """
CREATE FUNCTION burnline_finalized_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE'
       OR NEW.status = 'draft'
       OR (NEW.number, NEW.subscription_id, NEW.period_n, NEW.period_start, NEW.period_end, NEW.kind, NEW.currency, NEW.exponent,
           NEW.subtotal_minor, NEW.tax_minor, NEW.total_minor, NEW.snapshot, NEW.closing_seq, NEW.floor,
           NEW.document_hash, NEW.finalized_at)
          IS DISTINCT FROM
          (OLD.number, OLD.subscription_id, OLD.period_n, OLD.period_start, OLD.period_end, OLD.kind, OLD.currency, OLD.exponent,
           OLD.subtotal_minor, OLD.tax_minor, OLD.total_minor, OLD.snapshot, OLD.closing_seq, OLD.floor,
           OLD.document_hash, OLD.finalized_at) THEN
        RAISE EXCEPTION 'a finalized invoice never changes: correct it with a new document' USING ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoice_finalized BEFORE UPDATE OR DELETE ON billing_invoice
    FOR EACH ROW WHEN (OLD.status <> 'draft') EXECUTE FUNCTION burnline_finalized_invoice();
CREATE FUNCTION burnline_finalized_line() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line record;
BEGIN
    IF TG_OP = 'DELETE' THEN line := OLD; ELSE line := NEW; END IF;
    IF EXISTS (SELECT 1 FROM billing_invoice
               WHERE customer_id = line.customer_id AND id = line.invoice_id AND status <> 'draft') THEN
        RAISE EXCEPTION 'the lines of a finalized invoice never change' USING ERRCODE = '23514';
    END IF;
    RETURN line;
END $$;
CREATE TRIGGER invoice_line_finalized BEFORE INSERT OR UPDATE OR DELETE ON billing_invoiceline
    FOR EACH ROW EXECUTE FUNCTION burnline_finalized_line();
"""

FINITE = """
ALTER TABLE billing_ledgerentry ADD CONSTRAINT ledger_entry_finite CHECK (amount <> 'NaN'::numeric);
ALTER TABLE billing_creditdraw ADD CONSTRAINT credit_draw_finite CHECK (credits <> 'NaN'::numeric AND credits >= 0);
ALTER TABLE billing_creditgrant ADD CONSTRAINT credit_grant_finite
    CHECK (amount <> 'NaN'::numeric AND remaining <> 'NaN'::numeric AND cost_basis <> 'NaN'::numeric);
ALTER TABLE billing_invoiceline ADD CONSTRAINT invoice_line_finite CHECK (unrounded <> 'NaN'::numeric);
"""

CHILDREN = """
ALTER TABLE billing_subscriptionsegment ADD CONSTRAINT segment_subscription
    FOREIGN KEY (customer_id, subscription_id) REFERENCES billing_subscription (customer_id, id);
ALTER TABLE billing_invoice ADD CONSTRAINT invoice_subscription
    FOREIGN KEY (customer_id, subscription_id) REFERENCES billing_subscription (customer_id, id);
ALTER TABLE billing_invoiceline ADD CONSTRAINT invoice_line_invoice
    FOREIGN KEY (customer_id, invoice_id) REFERENCES billing_invoice (customer_id, id);
ALTER TABLE billing_ledgerentry ADD CONSTRAINT ledger_entry_transaction
    FOREIGN KEY (customer_id, transaction_id) REFERENCES billing_ledgertransaction (customer_id, id);
ALTER TABLE billing_stripecall ADD CONSTRAINT stripe_call_invoice
    FOREIGN KEY (customer_id, invoice_id) REFERENCES billing_invoice (customer_id, id);
ALTER TABLE billing_lateperiod ADD CONSTRAINT late_period_subscription
    FOREIGN KEY (customer_id, subscription_id) REFERENCES billing_subscription (customer_id, id);
"""

BACKWARD = """
ALTER TABLE billing_lateperiod DROP CONSTRAINT late_period_subscription;
ALTER TABLE billing_stripecall DROP CONSTRAINT stripe_call_invoice;
ALTER TABLE billing_ledgerentry DROP CONSTRAINT ledger_entry_transaction;
ALTER TABLE billing_invoiceline DROP CONSTRAINT invoice_line_invoice;
ALTER TABLE billing_invoice DROP CONSTRAINT invoice_subscription;
ALTER TABLE billing_subscriptionsegment DROP CONSTRAINT segment_subscription;
ALTER TABLE billing_invoiceline DROP CONSTRAINT invoice_line_finite;
ALTER TABLE billing_creditgrant DROP CONSTRAINT credit_grant_finite;
ALTER TABLE billing_creditdraw DROP CONSTRAINT credit_draw_finite;
ALTER TABLE billing_ledgerentry DROP CONSTRAINT ledger_entry_finite;
DROP TRIGGER invoice_line_finalized ON billing_invoiceline;
DROP FUNCTION burnline_finalized_line();
DROP TRIGGER invoice_finalized ON billing_invoice;
DROP FUNCTION burnline_finalized_invoice();
DROP TRIGGER ledger_balanced ON billing_ledgertransaction;
DROP FUNCTION burnline_ledger_balanced();
DROP TRIGGER invoice_number_append_only ON billing_invoicenumber;
DROP TRIGGER credit_draw_append_only ON billing_creditdraw;
DROP TRIGGER ledger_entry_append_only ON billing_ledgerentry;
DROP TRIGGER ledger_transaction_append_only ON billing_ledgertransaction;
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("core", "0002_append_only")]
    operations = [
        migrations.RunSQL(sql, migrations.RunSQL.noop) for sql in (APPEND_ONLY, BALANCED, DOCUMENTS, FINITE)
    ] + [migrations.RunSQL(CHILDREN, BACKWARD)]
