from django.conf import settings
from django.db import models

from customers.models.customer import Customer


class Member(models.Model):
    """A person who may sign in to a customer's portal."""

    class Role(models.TextChoices):
        OWNER = "owner"
        BILLING = "billing"
        DEVELOPER = "developer"
        READ_ONLY = "read_only"

    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships", db_constraint=False
    )
    role = models.CharField(max_length=10, choices=Role, default=Role.READ_ONLY)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["customer", "user"], name="member_once")]
