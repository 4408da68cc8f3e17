from django.db import models

from metering.models.event import QUANTITY


class LedgerTransaction(models.Model):
    """One movement of value. Its entries sum to zero for each unit; a deferred trigger refuses anything else."""

    pk = models.CompositePrimaryKey("customer_id", "id")
    customer_id = models.BigIntegerField()
    id = models.UUIDField()
    kind = models.CharField(max_length=40, help_text="credits.grant, credits.burn, invoice.finalize, …")
    reference = models.CharField(max_length=255, help_text="what caused it")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer_id", "kind", "reference"], name="ledger_transaction_once"
            )
        ]


class LedgerEntry(models.Model):
    """One side of a movement. Positive raises the account's balance, negative lowers it."""

    pk = models.CompositePrimaryKey("customer_id", "transaction_id", "n")
    customer_id = models.BigIntegerField()
    transaction_id = models.UUIDField()
    n = models.PositiveIntegerField()
    account = models.CharField(max_length=80)
    unit = models.CharField(max_length=10, help_text="credit, or a currency")
    amount = models.DecimalField(**QUANTITY)

    class Meta:
        indexes = [models.Index(fields=["customer_id", "account"], name="entry_account")]


class LedgerAccount(models.Model):
    """The running balance of an account: the sum of its entries, kept so that a read need not add them up."""

    pk = models.CompositePrimaryKey("customer_id", "account", "unit")
    customer_id = models.BigIntegerField()
    account = models.CharField(max_length=80)
    unit = models.CharField(max_length=10)
    balance = models.DecimalField(**QUANTITY, default=0)
