"""The demo collects its invoices through a stand-in for Stripe on this machine, so that sync and payment are seen."""

import os
import socket
import sys
from pathlib import Path

from django.conf import settings
from django.utils.crypto import salted_hmac

from config.demo import COMPANY

PORTS_ABOVE_THE_WEB = 4_111  # 8000 gives 12111, where Stripe's own test servers are used to live
PORT_MAX = 65_535


def stand_in_is_wanted() -> bool:
    """Whether this is the demo, and nobody has named a Stripe account."""
    return (
        settings.DEMO
        and not settings.STRIPE_API_KEY
        and not settings.HTTPS
        and settings.PLACES.demo.exists()
        and _is_free(stand_in_port())
    )


def stand_in_port() -> int:
    above = settings.PORT + PORTS_ABOVE_THE_WEB
    return above if above <= PORT_MAX else settings.PORT - PORTS_ABOVE_THE_WEB


def stand_in_url() -> str:
    """Where the stand-in lists its invoices and lets them be paid."""
    return f"http://127.0.0.1:{stand_in_port()}"


def stand_in_command() -> list[str | Path]:
    """The process that plays Stripe, and tells our webhook what happens there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(settings.HOST, settings.HOST)
    return [
        *(Path(sys.executable), "-m", "billing.stripe.double", "--port", str(stand_in_port())),
        *("--state", settings.VAR / "stripe.sqlite"),
        *("--webhook-url", f"http://{host}:{settings.PORT}/v1/stripe/webhook"),
        *("--webhook-secret", _secret("whsec")),
    ]


def stand_in_environment() -> dict[str, str]:
    """What web and worker need to take the stand-in for Stripe."""
    return {
        "STRIPE_API_KEY": _secret("sk_test"),
        "STRIPE_API_BASE": stand_in_url(),
        "STRIPE_WEBHOOK_SECRET": _secret("whsec"),
        "BURNLINE_COMPANY": os.environ.get("BURNLINE_COMPANY") or COMPANY,
    }


def _secret(kind: str) -> str:
    return f"{kind}_{salted_hmac('burnline.demo.stripe', kind).hexdigest()}"


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
