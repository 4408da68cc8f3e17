"""The official Stripe library, set up for us: one attempt a call, because due work does the retrying."""

from functools import cache

import stripe
from django.conf import settings
from stripe import StripeClient

TIMEOUT_SECONDS = 20


def stripe_is_set_up() -> bool:
    """Whether there is a key; without one, invoices are made and not collected."""
    return bool(settings.STRIPE_API_KEY)


def stripe_client() -> StripeClient:
    """The client for the configured key and address."""
    return _client(settings.STRIPE_API_KEY, settings.STRIPE_API_BASE)


@cache
def _client(key: str, base: str) -> StripeClient:
    return StripeClient(
        key,
        base_addresses={"api": base},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )
