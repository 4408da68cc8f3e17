"""Every page as a reader meets it: accessible by axe's rules, inside the content security policy, never wider than
the screen, in both themes, with data and without."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from billing.models import Subscription
from core.ids import public_id
from customers.models import Customer, User
from customers.portal_links import create_portal_link
from metering.models import Event
from tests.portal.world import Company, a_company, a_member, terms

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a long enough password"
SCREENS = (("light", 1440), ("dark", 390))
LISTEN = """
window.broken = [];
addEventListener("securitypolicyviolation", (event) => broken.push(`${event.violatedDirective}: ${event.blockedURI}`));
"""
CONSOLE = (
    "/console/",
    "/console/customers",
    "/console/new-customer",
    "/console/plans",
    "/console/prices",
    "/console/prices/unpriced",
    "/console/invoices",
    "/console/events",
    "/console/events?q=no-such-event",
    "/console/arrivals",
    "/console/refused",
    "/console/unmatched",
    "/console/try",
    "/console/work",
    "/console/re-ratings",
    "/console/re-ratings/new",
    "/console/new-plan",
    "/console/plan-moves",
    "/console/burn-tables",
    "/console/add-ons",
    "/console/explore",
    "/console/runs",
    "/console/value",
    "/console/value/new",
    "/console/backfills",
    "/console/backfills/new",
    "/console/prices/imports",
)
# They show the same with data and without.
FORMS = (
    *("/console/try", "/console/new-plan", "/console/re-ratings/new", "/console/value/new"),
    "/console/new-customer",
    "/console/backfills/new",
)
PORTAL = (
    "/portal/",
    "/portal/usage",
    "/portal/credits",
    "/portal/burn-table",
    "/portal/invoices",
    "/portal/usage?by=team",
    "/portal/calls",
    "/portal/runs",
)
ACCOUNT = ("/accounts/2fa/", "/accounts/password/change/", "/accounts/email/")


@contextmanager
def screen(browser: Browser, theme: str, width: int) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)  # type: ignore[arg-type]
    context.add_init_script(LISTEN)
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def sign_in(page: Page, base: str, email: str) -> None:
    page.goto(f"{base}/accounts/login/")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile(r"/(console|portal)/"))


def faults_of(page: Page, address: str, *, by_axe: bool = True) -> list[str]:
    """What is wrong with a page, in words; an empty list is a good page."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(f"script: {error}"))
    answer = page.goto(address, wait_until="load")
    faults = [] if answer and answer.status == 200 else [f"status {answer and answer.status}"]
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        faults.append("scrolls sideways")
    faults += [f"policy: {text}" for text in page.evaluate("window.broken")]
    return faults + (violations_of(page) if by_axe else []) + errors


def violations_of(page: Page) -> list[str]:
    result: dict[str, Any] = Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"{violation['id']}: {violation['help']} at {[node['target'] for node in violation['nodes'][:3]]}"
        for violation in result["violations"]
    ]


def look_at(page: Page, base: str, paths: list[str], *, turn: int | None = None) -> dict[str, list[str]]:
    """What is wrong with the pages that are not good. With ``turn`` axe, which takes longest, looks at every other one."""
    found = {
        path: faults_of(page, base + path, by_axe=turn is None or n % len(SCREENS) == turn)
        for n, path in enumerate(paths)
    }
    return {path: faults for path, faults in found.items() if faults}


def pages_of(company: Company) -> tuple[list[str], list[str]]:
    """The pages of single things: the console's and the portal's."""
    customer, invoice = company.customer.id, public_id("inv", company.invoice.id)
    subscription = public_id("sub", Subscription.objects.get(customer=customer).id)
    seq = Event.objects.filter(customer_id=customer).values_list("seq", flat=True)[0]
    console = [
        f"/console/customers/{customer}",
        "/console/plans/pro",
        "/console/plans/pro/versions/1",
        "/console/plans/pro/versions/1/move",
        "/console/plans/pro/versions/new",
        "/console/burn-tables/standard?credit_price=0.01",
        "/console/burn-tables/standard/versions/new",
        "/console/prices/own?provider=openai&model=gpt-5",
        f"/console/customers/{customer}/details",
        f"/console/customers/{customer}/credits",
        f"/console/customers/{customer}/subscriptions/new",
        f"/console/customers/{customer}/subscriptions/{subscription}",
        f"/console/runs/{customer}/run-1",
        "/console/explore?by=feature&path1=model&rule1=not_in&value1=gpt-5",
        f"/console/invoices/{customer}/{invoice}",
        f"/console/invoices/{customer}/{invoice}/lines/1",
        f"/console/events/{customer}/{seq}",
        "/console/events?customer=acme",
    ]
    portal = [f"/portal/invoices/{invoice}", f"/portal/invoices/{invoice}/lines/1", f"/portal/calls/{seq}"]
    begun = (company.now - timedelta(days=60)).date()
    portal += [
        f"/portal/runs?from={begun}",
        "/portal/runs/run-1",
        "/portal/usage?by=user&only_feature=chat&unit=calls",
    ]
    return console, portal


@pytest.mark.parametrize("turn", range(len(SCREENS)))
def test_the_consoles_pages_are_good_pages(browser: Browser, live_server: Any, turn: int) -> None:
    company = a_company(terms(), "acme", now=datetime.now(UTC))
    User.objects.create_superuser("ops@example.com", PASSWORD)
    with screen(browser, *SCREENS[turn]) as page:
        sign_in(page, live_server.url, "ops@example.com")
        assert not look_at(page, live_server.url, [*CONSOLE, *pages_of(company)[0], *ACCOUNT], turn=turn)


@pytest.mark.parametrize("turn", range(len(SCREENS)))
def test_the_portals_pages_are_good_pages(browser: Browser, live_server: Any, turn: int) -> None:
    company = a_company(terms(), "acme", now=datetime.now(UTC))
    a_member(company, "ann@acme.example")
    with screen(browser, *SCREENS[turn]) as page:
        sign_in(page, live_server.url, "ann@acme.example")
        assert not look_at(page, live_server.url, [*PORTAL, *pages_of(company)[1]], turn=turn)


def test_pages_without_data_teach_and_are_good_pages(browser: Browser, live_server: Any) -> None:
    User.objects.create_superuser("ops@example.com", PASSWORD)
    now = datetime.now(UTC)
    with screen(browser, "light", 390) as page:
        sign_in(page, live_server.url, "ops@example.com")
        assert not look_at(page, live_server.url, [path for path in CONSOLE if path not in FORMS])
    customer = Customer.objects.create(key="quiet", name="Quiet Harbor", created_at=now)
    with screen(browser, "dark", 1440) as page:
        page.goto(create_portal_link(customer, now=now, base_url=live_server.url).url)
        assert not look_at(page, live_server.url, list(PORTAL))


def test_the_ways_in_are_good_pages(browser: Browser, live_server: Any) -> None:
    with screen(browser, "light", 390) as page:
        assert not look_at(page, live_server.url, ["/accounts/login/", "/accounts/password/reset/"])
        page.fill("input[name=email]", "nobody@example.com")
        page.get_by_role("button").filter(has_text=re.compile("reset", re.I)).click()
        page.wait_for_load_state()
        assert "500" not in page.title()


def test_a_table_is_walked_by_keyboard(browser: Browser, live_server: Any) -> None:
    a_company(terms(), "acme", now=datetime.now(UTC))
    User.objects.create_superuser("ops@example.com", PASSWORD)
    with screen(browser, "light", 1440) as page:
        sign_in(page, live_server.url, "ops@example.com")
        page.goto(f"{live_server.url}/console/customers")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "q"
        page.keyboard.type("j")
        assert page.locator("tr.here").count() == 0, "typing into the search walks nothing"
        page.evaluate("document.activeElement.value = ''; document.activeElement.blur()")
        page.keyboard.press("j")
        assert page.locator("tr.here").count() == 1
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r"/console/customers/\d+"))


def test_the_chosen_theme_stays(browser: Browser, live_server: Any) -> None:
    with screen(browser, "light", 1440) as page:
        page.goto(f"{live_server.url}/accounts/login/")
        page.click("[data-theme-switch]")
        assert page.get_attribute("html", "data-theme") == "dark"
        page.reload()
        assert page.get_attribute("html", "data-theme") == "dark"
