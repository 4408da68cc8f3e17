"""What Larkspur AI sells: its meters, the burn table of its credits, its plans."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.attribution.value_events import create_value_event, read_value_event
from metering.meters import create_meter, read_meter
from pricing import burn_tables
from pricing.plan_terms import read_terms
from pricing.plans import add_version, create_plan, publish_version

BURN_TABLE = "larkspur-credits"
FREE, STARTER, PRO, SCALE, ENTERPRISE = "free", "starter", "pro", "scale", "enterprise"
TEAM_EUR, TEAM_JPY = "team-eur", "team-jpy"

METERS: tuple[dict[str, Any], ...] = (
    {"key": "calls", "name": "Calls", "unit": "call", "event_type": "llm.call", "aggregation": "count"},
    {
        "key": "output-tokens",
        "name": "Output tokens",
        "unit": "token",
        "event_type": "llm.call",
        "aggregation": "sum",
        "value": "usage.output_total",
        "group_by": ["model"],
    },
    {
        "key": "tokens",
        "name": "Tokens",
        "unit": "token",
        "event_type": "llm.call",
        "aggregation": "sum",
        "value": "usage.tokens",
        "group_by": ["model", "token_kind"],
    },
    {
        "key": "active-people",
        "name": "Active people",
        "unit": "person",
        "event_type": "llm.call",
        "aggregation": "unique",
        "value": "properties.user",
    },
    {
        "key": "tickets-resolved",
        "name": "Tickets resolved",
        "unit": "ticket",
        "event_type": "ticket.resolved",
        "aggregation": "count",
    },
)

# What customers of the help desk pay Larkspur AI for.
TICKETS = {
    "key": "tickets",
    "name": "Tickets resolved",
    "event_type": "ticket.resolved",
    "links": ["session"],
    "window_days": 7,
    "reversed_by": "ticket.reopened",
    "reversal_days": 14,
}

# Credits for a million tokens of each model: input, output. Cached input burns a tenth of input.
CREDITS_PER_MILLION = {
    "claude-opus-4-5": (700, 3500),
    "claude-sonnet-4-5": (420, 2100),
    "claude-haiku-4-5": (140, 700),
    "gpt-5": (180, 1400),
    "gpt-5-mini": (40, 280),
    "gemini-2.5-pro": (180, 1400),
    "gemini-2.5-flash": (45, 350),
}


# Thinking is sold as the answer that it leads to.
KINDS_SOLD_AS = {"input": ["input"], "cache_read": ["cache_read"], "output": ["output", "reasoning"]}


def burn_rates(sonnet: Decimal = Decimal(1)) -> list[dict[str, Any]]:
    """The burn table's rates. ``sonnet`` is the share of its first rates that Sonnet burns."""
    rates: list[dict[str, Any]] = [
        {"id": "ticket", "match": {"type": "ticket.resolved"}, "credits": "0"},
        {"id": "reopened", "match": {"type": "ticket.reopened"}, "credits": "0"},
        {"id": "other", "match": {"token_kind": "tokens"}, "credits": "700", "per": "1000000"},
    ]
    for model, (prompt, answer) in CREDITS_PER_MILLION.items():
        share = sonnet if model == "claude-sonnet-4-5" else Decimal(1)
        kinds = {
            "input": prompt * share,
            "cache_read": prompt * share / 10,
            "output": answer * share,
        }
        rates += [
            {
                "id": f"{model}-{kind}",
                "match": {"model": model, "token_kind": KINDS_SOLD_AS[kind]},
                "credits": format(credits.normalize(), "f"),
                "per": "1000000",
            }
            for kind, credits in kinds.items()
        ]
    return rates


def _matrix_cells() -> list[dict[str, Any]]:
    """Enterprise's price of a token: list prices of spring, a good half above what the models cost."""
    dollars = {
        "claude-opus-4-5": ("8", "0.8", "40"),
        "claude-sonnet-4-5": ("5", "0.5", "24"),
        "gpt-5": ("2.2", "0.25", "16"),
        "gemini-2.5-pro": ("2.2", "0.25", "16"),
        "gpt-5-mini": ("0.5", "0.05", "4"),
    }
    return [
        {"match": {"model": model, "token_kind": kind}, "unit_price": f"{Decimal(price) / 1_000_000:f}"}
        for model, prices in dollars.items()
        for sold_as, price in zip(KINDS_SOLD_AS, prices, strict=True)
        for kind in KINDS_SOLD_AS[sold_as]
    ]


PLANS: tuple[dict[str, Any], ...] = (
    {
        "key": FREE,
        "name": "Free",
        "credit_grants": [{"amount": "150"}],
        "on_exhausted": "block",
        "charges": [{"key": "credits", "model": "credits", "burn_table": BURN_TABLE, "unit_price": "0"}],
    },
    {
        "key": STARTER,
        "name": "Starter",
        "fee": "19.00",
        "charges": [
            {
                "key": "output",
                "meter": "output-tokens",
                "model": "graduated",
                "included": "100000",
                "tiers": [
                    {"up_to": "1000000", "unit_price": "0.00003"},
                    {"up_to": None, "unit_price": "0.00002"},
                ],
            }
        ],
        "margin_floor": {"rate": "0.40", "on_breach": "alert"},
    },
    {
        "key": PRO,
        "name": "Pro",
        "fee": "39.00",
        "credit_grants": [{"amount": "1500", "rollover": "250"}],
        "on_exhausted": "overage",
        "charges": [{"key": "credits", "model": "credits", "burn_table": BURN_TABLE, "unit_price": "0.0125"}],
        "margin_floor": {"rate": "0.30", "on_breach": "alert"},
    },
    {
        "key": SCALE,
        "name": "Scale",
        "fee": "49.00",
        "charges": [
            {
                "key": "models",
                "meter": "tokens",
                "model": "cost_plus",
                "markup": "0.35",
                "margin_floor": "0.20",
            }
        ],
        "margin_floor": {"rate": "0.25", "on_breach": "bill"},
    },
    {
        "key": ENTERPRISE,
        "name": "Enterprise",
        "commitment": {"amount": "120.00"},
        "charges": [
            {
                "key": "tokens",
                "meter": "tokens",
                "model": "matrix",
                "dimensions": ["model", "token_kind"],
                "cells": _matrix_cells(),
                "default_unit_price": "0.000003",
            },
            {
                "key": "tickets",
                "meter": "tickets-resolved",
                "model": "per_unit",
                "unit_price": "0.99",
                "included": "20",
            },
        ],
        "margin_floor": {"rate": "0.30", "on_breach": "absorb"},
    },
    {
        "key": TEAM_EUR,
        "name": "Team",
        "currency": "EUR",
        "fee": "39.00",
        "fee_timing": "arrears",
        "charges": [
            {
                "key": "people",
                "meter": "active-people",
                "model": "per_unit",
                "unit_price": "4.00",
                "included": "5",
            },
            {"key": "support-desk", "model": "flat", "amount": "10.00"},
        ],
    },
    {
        "key": TEAM_JPY,
        "name": "Team Japan",
        "currency": "JPY",
        "fee": "4800",
        "charges": [
            {
                "key": "calls",
                "meter": "calls",
                "model": "package",
                "package_size": "100",
                "package_price": "250",
            }
        ],
    },
)


def open_shop(now: datetime) -> None:
    """Make the meters, the burn table and the plans, each plan with one published version."""
    for meter in METERS:
        create_meter(read_meter(meter), now=now)
    create_value_event(read_value_event(TICKETS), now=now)
    burn_tables.create_table(
        BURN_TABLE,
        "Larkspur credits",
        burn_rates(),
        now=now,
        note="A credit is a cent of use at list prices.",
    )
    for plan in PLANS:
        publish_version(create_plan(read_terms(plan), now=now), now=now)


def announce_cheaper_sonnet(now: datetime) -> None:
    """A second version of the burn table, told two weeks ahead."""
    burn_tables.add_version(
        BURN_TABLE,
        burn_rates(sonnet=Decimal("0.8")),
        now=now,
        effective_at=now + timedelta(days=14),
        note="Sonnet burns a fifth less.",
    )


def raise_starter(now: datetime) -> None:
    """Starter's second version: new customers pay for prompts too. Who has the first keeps it."""
    first = next(plan for plan in PLANS if plan["key"] == STARTER)
    prompts = {
        "key": "calls",
        "meter": "calls",
        "model": "per_unit",
        "unit_price": "0.02",
        "included": "1000",
    }
    terms = read_terms(first | {"fee": "25.00", "charges": [*first["charges"], prompts]})
    from pricing.plans import plan_by_key

    publish_version(add_version(plan_by_key(STARTER), terms, now=now), now=now)
