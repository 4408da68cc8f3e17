"""An event is found, mended and sent again in a browser; what looks again by itself disturbs nobody."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser

from customers.models import User
from metering.models import Event, RejectedEvent
from tests.browser.test_pages import PASSWORD, SCREENS, look_at, screen, sign_in
from tests.conftest import Api
from tests.portal.world import a_company, terms

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PLAIN = {"id": "e1", "customer": "acme", "type": "llm.call", "usage": {"output": 5}}


@pytest.fixture
def base(live_server: Any, api_with_key: Any) -> str:
    a_company(terms(), "acme", now=datetime.now(UTC))
    User.objects.create_superuser("ops@example.com", PASSWORD)
    api: Api = api_with_key()
    api.post("/v1/events", PLAIN)
    api.post("/v1/events", PLAIN | {"usage": {"output": 6}})
    api.post("/v1/events", PLAIN | {"id": "bad", "quantity": "many"})
    api.post("/v1/events", PLAIN | {"id": "early", "customer": "nobody"})
    return str(live_server.url)


@pytest.mark.parametrize("turn", range(len(SCREENS)))
def test_the_pages_of_single_events_are_good_pages(browser: Browser, base: str, turn: int) -> None:
    refusal = RejectedEvent.objects.get().id
    with screen(browser, *SCREENS[turn]) as page:
        sign_in(page, base, "ops@example.com")
        page.goto(f"{base}/console/events?q=e1")
        conflict = page.get_attribute("a[href*='/conflicts/']", "href")
        assert conflict
        paths = [
            *(
                "/console/events?q=e1",
                "/console/events?q=bad",
                "/console/events?customer=acme&type=none",
                conflict,
            ),
            *("/console/refused", f"/console/refused/{refusal}", "/console/unmatched/key?key=nobody"),
        ]
        assert not look_at(page, base, paths, turn=turn)


def test_a_refused_event_is_mended_and_found_again(browser: Browser, base: str) -> None:
    with screen(browser, "light", 1440) as page:
        sign_in(page, base, "ops@example.com")
        page.goto(f"{base}/console/events")
        page.keyboard.press("/")
        page.keyboard.type("bad")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="bad", exact=True).click()
        page.fill("#body", page.input_value("#body").replace('"many"', '"2"'))
        page.get_by_role("button", name="Send it again").click()
        page.wait_for_url(re.compile(r"q=bad"))
        assert page.get_by_text("Stored.").is_visible()
        page.get_by_role("link", name="bad", exact=True).first.click()
        assert page.get_by_role("heading", name="It arrived").is_visible()
    assert Event.objects.get(event_id="bad").quantity == 2


COUNT_ASKED = """
window.asked = 0;
document.addEventListener("htmx:beforeSend", () => { window.asked += 1; });
const part = document.getElementById("arrivals");
part.setAttribute("hx-trigger", "look");
htmx.process(part);
"""


def test_arrivals_look_again_only_where_they_disturb_nobody(browser: Browser, base: str) -> None:
    look = "htmx.trigger('#arrivals', 'look')"
    with screen(browser, "light", 1440) as page:
        sign_in(page, base, "ops@example.com")
        page.goto(f"{base}/console/arrivals")
        page.evaluate(f"() => {{ {COUNT_ASKED} }}")
        page.evaluate("() => { arrivals.insertAdjacentHTML('beforeend', '<details open></details>') }")
        page.evaluate(look)
        assert page.evaluate("window.asked") == 0, "somebody reads a table in it"
        page.evaluate("() => { document.querySelector('#arrivals details[open]').remove() }")
        with page.expect_response(re.compile("/console/arrivals")):
            page.evaluate(look)
        assert page.evaluate("window.asked") == 1
        assert page.locator("#arrivals").count() == 1 and page.locator("header").count() == 1


def test_what_is_tried_shows_its_receipt(browser: Browser, base: str) -> None:
    with screen(browser, "dark", 390) as page:
        sign_in(page, base, "ops@example.com")
        page.goto(f"{base}/console/try")
        page.fill("#body", json.dumps(PLAIN | {"id": "tried"}))
        page.fill("#customer", "acme")
        page.get_by_role("button", name="Try", exact=True).click()
        page.get_by_text("would be rated").or_(page.get_by_text("would wait for a price")).first.wait_for()
        assert not page.evaluate("window.broken")
    assert not Event.objects.filter(event_id="tried").exists()
