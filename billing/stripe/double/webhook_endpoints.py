"""Webhook endpoints: where events go, and the secret that signs them."""

import secrets
from urllib.parse import urlsplit

import stripe

from billing.stripe.double.call import Call
from billing.stripe.double.errors import Refusal
from billing.stripe.double.metadata import merged
from billing.stripe.double.shapes import VERSION, bare, new_id
from billing.stripe.double.state import Body


def new_endpoint(now: int, url: str, secret: str | None = None) -> Body:
    """An endpoint that listens to everything, not yet stored."""
    return bare(
        stripe.WebhookEndpoint,
        id=new_id("we"),
        object="webhook_endpoint",
        api_version=VERSION,
        created=now,
        enabled_events=["*"],
        metadata={},
        status="enabled",
        url=url,
        _secret=secret or f"whsec_{secrets.token_hex(16)}",
    )


def create_webhook_endpoint(call: Call) -> Body:
    """The secret is shown in this answer alone."""
    call.only("api_version", "description", "enabled_events", "metadata", "url")
    if call.params.get("api_version", VERSION) != VERSION:
        raise Refusal(f"The double speaks {VERSION} alone.", param="api_version")
    endpoint = new_endpoint(call.now, call.params["url"])
    apply(call, endpoint)
    call.state.put(endpoint)
    return {**endpoint, "secret": endpoint["_secret"]}


def update_webhook_endpoint(call: Call, webhook_endpoint: str) -> Body:
    call.only("description", "disabled", "enabled_events", "metadata", "url")
    endpoint = call.find("webhook_endpoint", webhook_endpoint, "webhook endpoint")
    if "disabled" in call.params:
        endpoint["status"] = "disabled" if call.params["disabled"] else "enabled"
    apply(call, endpoint)
    return call.state.put(endpoint)


def apply(call: Call, endpoint: Body) -> None:
    if "url" in call.params:
        parts = urlsplit(call.params["url"])
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refusal(
                "Invalid URL: it must start with http:// or https://", code="url_invalid", param="url"
            )
        endpoint["url"] = call.params["url"]
    endpoint["enabled_events"] = call.params.get("enabled_events", endpoint["enabled_events"])
    endpoint["description"] = call.params.get("description", endpoint["description"]) or None
    endpoint["metadata"] = merged(endpoint["metadata"], call.params.get("metadata"))


def retrieve_webhook_endpoint(call: Call, webhook_endpoint: str) -> Body:
    return call.find("webhook_endpoint", webhook_endpoint, "webhook endpoint")


def delete_webhook_endpoint(call: Call, webhook_endpoint: str) -> Body:
    call.find("webhook_endpoint", webhook_endpoint, "webhook endpoint")
    call.state.remove(webhook_endpoint)
    return {"id": webhook_endpoint, "object": "webhook_endpoint", "deleted": True}
