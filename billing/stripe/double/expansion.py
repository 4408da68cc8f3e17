"""``expand[]``: ids in an answer replaced by the objects they name, one level deep."""

import json

from billing.stripe.double.errors import Refusal
from billing.stripe.double.shapes import page, public
from billing.stripe.double.state import Body, State


def expanded(state: State, body: Body, paths: list[str]) -> Body:
    """The public object with each path opened. Raises Refusal where a path cannot be."""
    for path in paths:
        if body["object"] == "list" and path.startswith("data."):
            body["data"] = [opened(state, item, path.removeprefix("data."), path) for item in body["data"]]
        else:
            body = opened(state, body, path, path)
    return body


def opened(state: State, body: Body, name: str, path: str) -> Body:
    if body["object"] == "invoice" and name == "payments":
        payments = [public(row) for row in state.all_of("invoice_payment", invoice=body["id"])]
        return {**body, "payments": page(payments, "/v1/invoice_payments")}
    value = body.get(name)
    if name in body and not isinstance(value, str):
        return body
    found = state.rows("select body from objects where id = ?", value) if value else []
    if not found:
        raise Refusal(f"This property cannot be expanded ({path}).", param="expand")
    return {**body, name: public(json.loads(found[0]["body"]))}
