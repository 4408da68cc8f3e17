"""Two plain pages: all invoices, and one invoice with a button that pays it as its customer would."""

from datetime import UTC, datetime
from html import escape
from typing import Any

from billing.stripe.double.currencies import shown
from billing.stripe.double.state import Body, State

INVOICES_SHOWN = 200
SUMS = {
    "Subtotal": "subtotal",
    "Total": "total",
    "Paid": "amount_paid",
    "Left to pay": "amount_remaining",
}

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #ccc; overflow-wrap: anywhere }}
.money {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums }}
.note {{ color: #555 }} button {{ font: inherit; padding: .5rem 1rem }}
</style></head><body><main>
<p class="note">This is a stand-in for Stripe, for tests and demos. No money moves here.</p>
"""
FOOT = "</main></body></html>\n"


def page_at(state: State, path: str) -> str | None:
    """The page at a path; None where there is none."""
    if path == "/":
        return index_page(state)
    collection, _, identity = path.strip("/").partition("/")
    return invoice_page(state, identity) if collection == "invoice" else None


def index_page(state: State) -> str:
    """The newest invoices."""
    invoices = state.page_of("invoice", [], limit=INVOICES_SHOWN)
    head = HEAD.format(title="Invoices")
    if not invoices:
        return f"{head}<h1>Invoices</h1><p>There are no invoices yet.</p>{FOOT}"
    rows = "".join(
        f'<tr><td><a href="/invoice/{escape(row["id"])}">{text(row["number"] or row["id"])}</a></td>'
        f"<td>{text(row['customer_name'] or row['customer'])}</td><td>{text(row['status'])}</td>"
        f"<td>{when(row['created'])}</td>"
        f'<td class="money">{money(row["total"], row)}</td>'
        f'<td class="money">{money(row["amount_remaining"], row)}</td></tr>'
        for row in invoices
    )
    columns = (
        '<th>Invoice<th>Customer<th>Status<th>Created<th class="money">Total<th class="money">Left to pay'
    )
    return (
        f"{head}<h1>Invoices</h1><table><thead><tr>{columns}</thead><tbody>{rows}</tbody></table>"
        f'<p class="note">The newest {len(invoices)} are shown.</p>{FOOT}'
    )


def invoice_page(state: State, identity: str) -> str | None:
    """One invoice with its lines; None where there is no such invoice."""
    invoice = state.get("invoice", identity)
    if invoice is None:
        return None
    lines = "".join(
        row("td", line["description"] or "—", line["amount"], invoice) for line in invoice["_lines"]
    )
    sums = "".join(row('th scope="row"', label, invoice[field], invoice) for label, field in SUMS.items())
    return (
        f"{HEAD.format(title='Invoice')}<p><a href='/'>All invoices</a></p>"
        f"<h1>{text(invoice['number'] or 'Draft invoice')}</h1>"
        f"<p>{text(invoice['customer_name'] or invoice['customer'])} · {text(invoice['status'])} · "
        f"{when(invoice['created'])}</p>"
        '<table><thead><tr><th>Line<th class="money">Amount</thead>'
        f"<tbody>{lines}</tbody><tfoot>{sums}</tfoot></table>{pay_button(invoice)}{FOOT}"
    )


def row(cell: str, label: str, amount_minor: int, invoice: Body) -> str:
    return f'<tr><{cell}>{text(label)}<td class="money">{money(amount_minor, invoice)}'


def pay_button(invoice: Body) -> str:
    if invoice["status"] not in ("open", "uncollectible"):
        return ""
    action = f"/invoice/{escape(invoice['id'])}/pay"
    left = money(invoice["amount_remaining"], invoice)
    return f'<form method="post" action="{action}"><p><button>Pay {left}</button></p></form>'


def text(value: Any) -> str:
    return escape(str(value))


def money(amount_minor: int, invoice: Body) -> str:
    return escape(shown(amount_minor, invoice["currency"]))


def when(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M UTC")
