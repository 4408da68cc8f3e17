"""Refusals in the shape that Stripe gives them."""

from typing import Any


class Refusal(Exception):
    """An answer other than 200: ``{"error": {type, message, code, param}}`` with an HTTP status.

    ``keeps_effects``: what the call wrote before it was refused stays written, as with a declined card,
    where the failed attempt is itself a fact.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        keeps_effects: bool = False,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.keeps_effects = keeps_effects
        self.headers = headers or {}
        facts = {"code": code, "param": param, "message": message, "type": kind, **more}
        self.body: dict[str, Any] = {
            "error": {name: value for name, value in facts.items() if value is not None}
        }


def no_such(noun: str, identity: str, *, param: str = "id") -> Refusal:
    """Stripe's answer for an id that names nothing."""
    status = 404 if param == "id" else 400
    return Refusal(f"No such {noun}: '{identity}'", status=status, code="resource_missing", param=param)


def not_carried(param: str) -> Refusal:
    """The real Stripe knows this parameter; the double does not, and says so rather than ignore it."""
    return Refusal(
        f"Stripe knows the parameter {param}, but the double does not carry it.",
        code="double_not_carried",
        param=param,
    )


def server_error() -> Refusal:
    """The 500 that Stripe gives when something broke on its side."""
    return Refusal("An unknown error occurred on Stripe's side.", status=500, kind="api_error")
