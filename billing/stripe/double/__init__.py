"""The Stripe double: see README.md."""

from billing.stripe.double.stripe_double import StripeDouble

__all__ = ["StripeDouble"]
