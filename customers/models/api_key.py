from django.contrib.postgres.fields import ArrayField
from django.db import models

from customers.models.customer import Customer


class ApiKey(models.Model):
    """A credential of the API. Without a customer it is the operator's; with one it sees that customer alone.

    Only a keyed hash is kept: a leaked database gives no key away.
    """

    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(
        max_length=16, unique=True, help_text="first characters, to find the row and to show"
    )
    digest = models.BinaryField(max_length=32)
    scopes = ArrayField(models.CharField(max_length=10))
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
