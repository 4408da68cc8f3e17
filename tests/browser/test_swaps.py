"""Filters, sorting and paging replace the sheet alone: the page stays, the address and the way back are right."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from config.front_end import ROOT
from customers.models import Customer, User
from tests.browser.test_pages import PASSWORD, screen, sign_in
from tests.portal.world import a_company, a_member, terms

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def open_marked(page: Page, address: str) -> None:
    """Opens a page and marks its window; a full load would lose the mark."""
    page.goto(address, wait_until="load")
    page.evaluate("window.marked = true")


def assert_stayed(page: Page) -> None:
    assert page.evaluate("window.marked") is True, "the whole page was loaded"
    assert page.evaluate("window.broken") == [], "the content security policy was broken"
    assert page.locator("#sheet").count() == 1


def test_the_period_changes_in_place_and_back_leads_back(browser: Browser, live_server: Any) -> None:
    a_company(terms(), "acme", now=datetime.now(UTC))
    User.objects.create_superuser("ops@example.com", PASSWORD)
    with screen(browser, "light", 1440) as page:
        sign_in(page, live_server.url, "ops@example.com")
        open_marked(page, f"{live_server.url}/console/")
        page.get_by_role("link", name="90 days").click()
        expect(page.locator(".chips [aria-current]").first).to_have_text("90 days")
        expect(page).to_have_url(re.compile(r"/console/\?days=90$"))
        assert page.evaluate("document.activeElement.textContent") == "90 days", "focus stays on the choice"
        assert_stayed(page)
        page.go_back()
        expect(page).to_have_url(re.compile(r"/console/$"))
        expect(page.locator(".chips [aria-current]").first).to_have_text("30 days")


def test_a_list_is_sorted_searched_and_walked_in_place(browser: Browser, live_server: Any) -> None:
    now = datetime.now(UTC)
    for n in range(60):
        Customer.objects.create(key=f"c-{n:02}", name=f"Company {n:02}", created_at=now)
    User.objects.create_superuser("ops@example.com", PASSWORD)
    with screen(browser, "light", 1440) as page:
        sign_in(page, live_server.url, "ops@example.com")
        open_marked(page, f"{live_server.url}/console/customers?sort=-name")
        first = page.locator("[data-rows] tbody th").first
        page.locator("thead").get_by_role("link", name="Customer").click()
        expect(first).to_have_text("Company 00")
        expect(page).to_have_url(re.compile(r"sort=name"))
        page.get_by_role("link", name="Next").click()
        expect(first).to_have_text("Company 50")
        assert page.evaluate("document.activeElement.id") == "sheet", "there is no Next on the last page"
        page.keyboard.press("j")
        assert page.locator("tr.here").count() == 1, "rows that came later are walked too"
        page.keyboard.press("/")
        page.keyboard.type("c-07")
        page.keyboard.press("Enter")
        expect(first).to_have_text("Company 07")
        expect(page).to_have_url(re.compile(r"q=c-07"))
        expect(page.locator("[name=q]")).to_be_focused()
        assert page.evaluate("document.activeElement.selectionStart") == len("c-07"), (
            "the caret stays at the end"
        )
        assert_stayed(page)


def test_who_is_quicker_than_the_page_stays_on_it(browser: Browser, live_server: Any) -> None:
    Customer.objects.create(key="c-07", name="Company 07", created_at=datetime.now(UTC))
    User.objects.create_superuser("ops@example.com", PASSWORD)
    with screen(browser, "light", 1440) as page:
        sign_in(page, live_server.url, "ops@example.com")
        open_marked(page, f"{live_server.url}/console/customers")
        search_at_once = "setTimeout(() => document.querySelector('[role=search]').requestSubmit())"
        page.evaluate(
            f"document.addEventListener('htmx:afterSwap', () => {search_at_once}, {{ once: true }})"
        )
        page.locator("thead").get_by_role("link", name="Customer").click()
        expect(page).to_have_url(re.compile(r"[?&]q="))
        assert_stayed(page)
        type_on = "document.activeElement.setRangeText('7', 3, 3, 'end')"
        page.evaluate(f"document.addEventListener('htmx:beforeRequest', () => {type_on}, {{ once: true }})")
        page.keyboard.press("/")
        page.keyboard.type("c-0")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile(r"q=c-0(&|$)"))
        expect(page.locator("[name=q]")).to_be_focused()
        expect(page.locator("[name=q]")).to_have_value("c-07")
        assert_stayed(page)


def test_the_usage_chart_is_drawn_anew_and_a_sign_in_that_ended_is_said(
    browser: Browser, live_server: Any
) -> None:
    if not (ROOT / "static" / "vendor" / "echarts.min.js").exists():
        pytest.skip("needs the charts' files: `make test` fetches them")
    company = a_company(terms(), "acme", now=datetime.now(UTC))
    a_member(company, "ann@acme.example")
    with screen(browser, "light", 390) as page:
        sign_in(page, live_server.url, "ann@acme.example")
        open_marked(page, f"{live_server.url}/portal/usage")
        chart = page.locator("[data-explorer-canvas] svg")
        expect(chart).to_have_count(1)
        page.get_by_role("link", name="90 days").click()
        expect(page).to_have_url(re.compile(r"days=90"))
        expect(chart).to_have_count(1)
        expect(page.locator("[data-explorer-still] .chart-plot")).to_be_hidden()
        page.get_by_role("link", name="Tokens", exact=True).click()
        expect(page).to_have_url(re.compile(r"unit=tokens"))
        expect(chart).to_have_count(1)
        assert_stayed(page)
        page.go_back()
        expect(page).to_have_url(re.compile(r"days=90$"))
        expect(chart).to_have_count(1)
        page.context.clear_cookies()
        page.get_by_role("link", name="7 days").click()
        expect(page.locator("input[name=login]")).to_be_visible()
        expect(page.locator(".rooms")).to_have_count(0)
