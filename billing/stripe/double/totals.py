"""The sums of an invoice, in integer minor units."""

from typing import Any

from billing.stripe.double.shapes import id_from
from billing.stripe.double.state import Body


def line_taxes(amounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``tax_amounts`` as sent, in the shape of a line's ``taxes``; the same rate gets the same id."""
    return [
        {
            "amount": tax["amount"],
            "tax_behavior": "inclusive" if tax["tax_rate_data"]["inclusive"] else "exclusive",
            "tax_rate_details": {"tax_rate": id_from("txr", sorted(map(str, tax["tax_rate_data"].items())))},
            "taxability_reason": tax.get("taxability_reason", "not_available"),
            "taxable_amount": tax["taxable_amount"],
            "type": "tax_rate_details",
        }
        for tax in amounts
    ]


def summed_taxes(lines: list[Body]) -> list[dict[str, Any]]:
    """One entry for each rate and behavior over all lines."""
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for line in lines:
        for tax in line["taxes"]:
            rate = tax["tax_rate_details"]["tax_rate"]
            key = (rate, tax["tax_behavior"], tax["taxability_reason"])
            if key in sums:
                sums[key]["amount"] += tax["amount"]
                sums[key]["taxable_amount"] += tax["taxable_amount"]
            else:
                sums[key] = dict(tax)
    return list(sums.values())


def total_up(invoice: Body, lines: list[Body]) -> None:
    """Write every sum of a draft from its lines.

    subtotal = sum of line amounts; total = subtotal + exclusive taxes; amount_due = total + starting balance,
    not below zero.
    """
    taxes = summed_taxes(lines)
    inclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "inclusive")
    exclusive = sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == "exclusive")
    subtotal = sum(line["amount"] for line in lines)
    due = max(subtotal + exclusive + invoice["starting_balance"], 0)
    invoice.update(
        subtotal=subtotal,
        subtotal_excluding_tax=subtotal - inclusive,
        total=subtotal + exclusive,
        total_excluding_tax=subtotal - inclusive,
        total_taxes=taxes,
        amount_due=due,
        amount_remaining=due,
    )
