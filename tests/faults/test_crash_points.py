"""The program is killed at every place that the code names, in the middle of a month; the next process finishes it."""

import re
import signal
from itertools import chain

import pytest

from billing.models import Invoice
from metering.models import Event
from tests.faults.books import breaches, lines_of, numbers, the_only_one_there
from tests.faults.installation import ROOT
from tests.faults.month import (
    BETWEEN_SWEEPS,
    CLOSED,
    EVENTS,
    a_subscriber,
    expected_lines,
    expected_total,
    live_through,
)

ROOMS = ("core", "metering", "pricing", "billing")
FAILPOINT = re.compile(r'failpoint\(f?"([^"]+)"\)')
# What the braces in a name stand for.
MEANINGS = {
    "{step}": ("customer", "create", "lines0", "finalize", "void"),
    "{work.kind}": (
        *("credits.expire", "invoice.finalize", "margin.days"),
        *("stripe.invoice", "stripe.webhook", "rerating.look", "rerating.apply"),
        *(
            "backfill.check",
            "backfill.look",
            "backfill.close",
            "backfill.revert",
            "calls.replace",
            "credits.draw",
        ),
    ),
}


def names_in_the_code() -> list[str]:
    files = chain.from_iterable((ROOT / room).rglob("*.py") for room in ROOMS)
    found = {name for file in files for name in FAILPOINT.findall(file.read_text())}
    for brace, meanings in MEANINGS.items():
        found = {name.replace(brace, meaning) for name in found for meaning in meanings}
    return sorted(found)


# How a month must end to come past the names with this in them; the others lie on the way to a paid invoice.
ENDINGS = {
    ".void.": "void",
    ".rerating.": "re-rated",
    ".backfill": "backfilled",
    ".withdrawals.": "backfilled",
    ".richer_reports.": "retold",
    "calls.replace": "retold",
    ".removal.": "removed",
    ".late_draws.": "overtaken",
    "credits.draw": "overtaken",
}
NAMES = names_in_the_code()


def test_a_month_that_nobody_interrupts(installation, double, live_in_a_process):
    a_subscriber("acme")

    assert live_in_a_process("acme") == 0

    invoice = Invoice.objects.get()
    assert (invoice.status, lines_of(invoice), invoice.total_minor) == (
        "paid",
        expected_lines(),
        expected_total(),
    )
    assert the_only_one_there(double, invoice)["status"] == "paid"
    assert breaches() == []


@pytest.mark.parametrize("name", NAMES)
def test_killed_there_the_month_ends_the_same(installation, double, live_in_a_process, name):
    customer = a_subscriber("acme")
    ending = next((ending for mark, ending in ENDINGS.items() if mark in name), "paid")
    status = "void" if ending == "void" else "paid"

    assert live_in_a_process("acme", failpoint=f"{name}:kill", ending=ending) == -signal.SIGKILL
    invoice = live_through("acme", ending=ending, start=CLOSED + BETWEEN_SWEEPS)

    kept = {"removed": 0, "overtaken": EVENTS + 1}.get(ending, EVENTS)
    assert Event.objects.filter(customer_id=customer.id).count() == kept
    assert (invoice.status, lines_of(invoice), invoice.total_minor) == (
        status,
        expected_lines(),
        expected_total(),
    )
    assert the_only_one_there(double, invoice)["status"] == status
    assert numbers() == [invoice.number]
    assert breaches() == []


def test_the_names_are_found_in_every_room_that_commits():
    assert {name.split(".")[0] for name in NAMES} == {"core", "metering", "billing"}
