"""An empty console teaches the next step; the very lines it shows must work as they stand."""

import html
import json
import re

import pytest
from django.test import Client

from customers.models import User
from tests.conftest import Api

LINE = re.compile(r"curl -sS http://testserver(/v1/\S+)[^']*-d '([^']*)'")
# In the order in which a newcomer meets them.
PAGES = ("/console/", "/console/plans", "/console/invoices", "/console/events", "/console/customers")


@pytest.fixture
def operator(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("ops@example.com", "a long enough password"))
    return client


def lines_of(page: str) -> list[tuple[str, dict[str, object]]]:
    shown = "\n".join(html.unescape(block) for block in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL))
    return [(path, json.loads(body)) for path, body in LINE.findall(shown)]


def test_every_line_shown_works_as_it_stands(operator: Client, operator_api: Api) -> None:
    pages = [operator.get(path).content.decode() for path in PAGES]
    lines = [line for page in pages for line in lines_of(page)]
    assert len(lines) >= 8
    for path, body in lines:
        answer = operator_api.post(path, body)
        taken = answer.status_code == 409 and path == "/v1/customers"  # two pages make the same customer
        assert answer.status_code in (200, 201) or taken, (path, answer.content)


def test_the_line_that_prices_a_model_clears_the_queue(operator: Client, operator_api: Api) -> None:
    operator_api.post("/v1/customers", {"key": "acme", "name": "Acme"})
    event = {
        "id": "m1",
        "customer": "acme",
        "type": "llm.call",
        "provider": "lab",
        "model": "new-1",
        "usage": {"input": 5},
    }
    operator_api.post("/v1/events", event)
    page = operator.get("/console/prices/unpriced").content.decode()
    ((path, body),) = lines_of(page)
    assert body["model"] == "new-1" and body["unit"] == "input"
    assert operator_api.post(path, body).status_code in (200, 201)


def test_every_empty_page_says_what_to_do(operator: Client) -> None:
    for path in (*PAGES, "/console/prices", "/console/prices/unpriced", "/console/work"):
        page = operator.get(path)
        assert page.status_code == 200
        text = page.content.decode()
        assert "<pre" in text or "appears" in text or "set aside" in text, path
