"""A company with a plan, credits, use, an invoice and an open period, for the tests of pages."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from billing.credits.grants import NewGrant, grant_credits
from billing.invoices import finalize_invoice
from billing.margins import refresh_days
from billing.models import Invoice
from billing.rating import rate_pending
from customers.models import Customer, Member, User
from pricing.burn_tables import create_table
from pricing.models import PlanVersion
from pricing.price_imports import set_operator_prices
from pricing.price_sources.quotes import Quote
from tests.billing.world import a_customer, a_meter, a_plan, call, subscribe, use

MODELS = ("claude-opus-4-5", "gpt-5", "unheard-of-9b")
SECRET_COST = Decimal("0.0001234567")  # of one token; looked for on pages that must not tell it
CHARGES = [
    {"key": "tokens", "meter": "output_tokens", "model": "per_unit", "unit_price": "0.01", "included": "100"},
    {"key": "overage", "model": "credits", "burn_table": "standard", "unit_price": "0.02"},
]


@dataclass
class Company:
    customer: Customer
    invoice: Invoice
    now: datetime


def terms() -> PlanVersion:
    """Meters, a burn table, prices and the plan: once for all companies of a test."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    a_meter("output_tokens", "usage.output", unit="token")
    create_table(
        "standard",
        "Credits for calls",
        [
            {"id": "out", "match": {"token_kind": "output"}, "credits": "2", "per": "1000"},
            {"id": "any", "match": {}, "credits": "1", "per": "1"},
        ],
        now=now,
    )
    set_operator_prices(
        [
            Quote(provider="anthropic", model="claude-opus-4-5", unit="output", price=SECRET_COST),
            Quote(provider="openai", model="gpt-5", unit="output", price=SECRET_COST),
        ],
        by="test",
        now=now,
    )
    return a_plan(CHARGES, fee="49.00", margin_floor={"rate": "0.40", "on_breach": "alert"})


def a_company(
    version: PlanVersion, key: str, *, now: datetime, calls: int = 12, drafts: bool = False
) -> Company:
    """A company whose first period is invoiced, or with ``drafts`` only drafted, and whose second is open at ``now``."""
    start = now - timedelta(days=40)
    customer = a_customer(key, timezone="Europe/Berlin", tax_rate=Decimal("0.19"), tax_name="VAT")
    subscribe(customer, version, at=start)
    grant_credits(
        customer.id, NewGrant(key="welcome", amount=Decimal(500), starts_at=start, name="Welcome"), now=start
    )
    events = [
        call(
            f"{key}-{n}",
            start + timedelta(days=40) * n / calls,
            customer=key,
            provider="openai" if n % 3 == 1 else "anthropic",
            model=MODELS[n % 3],
            usage={"output": 100 + n},
            run_id="run-1" if n < 3 else "",
            properties={"feature": ("chat", "search")[n % 2]},
        )
        for n in range(calls)
    ]
    use(customer, *events, now=now)
    rate_pending(customer.id, now=now)
    invoice = Invoice.objects.filter(customer_id=customer.id, kind="period").order_by("period_start").first()
    assert invoice is not None
    if not drafts:
        invoice = finalize_invoice(customer.id, invoice.id, now=now)
    refresh_days(customer)
    return Company(customer, invoice, now)


def a_member(company: Company, email: str) -> User:
    user = User.objects.create_user(email, "a long enough password")
    Member.objects.create(customer=company.customer, user=user, role="owner", created_at=company.now)
    return user
