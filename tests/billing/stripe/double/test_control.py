"""Steering the double over HTTP, its pages, and the command line."""

import json
import subprocess
import sys
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import stripe


def ask(double, method, path, body=None, content_type="application/json"):
    data = None if body is None else json.dumps(body).encode()
    request = Request(double.url + path, data, {"Content-Type": content_type}, method=method)
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_faults_are_asked_for_seen_and_cleared(client, double):
    assert ask(double, "POST", "/_double/faults", {"kind": "rate_limited", "times": 2})[0] == 200
    with pytest.raises(stripe.RateLimitError):
        client.customers.list()
    assert json.loads(ask(double, "GET", "/_double/faults")[1])["faults"][0]["times"] == 1
    assert ask(double, "DELETE", "/_double/faults")[0] == 200
    client.customers.list()


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/_double/faults", {"kind": "flood"}, "kind: one of"),
        ("/_double/faults", {"kind": "latency", "time": 1}, "time"),
        ("/_double/webhooks", {"mode": "loud"}, "mode: one of"),
        ("/_double/clock", {"advance_seconds": -5}, "only moves forward"),
        ("/_double/clock", {}, "advance_seconds: required"),
        ("/_double/webhooks/resend", {"event": "evt_x"}, "no such event"),
        ("/_double/clock", [], "JSON object"),
    ],
)
def test_a_wrong_command_says_what_would_be_right(double, path, body, said):
    status, answer = ask(double, "POST", path, body)
    assert status == 400
    assert said in answer


def test_a_command_that_a_foreign_page_could_send_is_turned_away(double):
    assert ask(double, "POST", "/_double/clock", {"advance_seconds": 1}, "text/plain")[0] == 415


def test_the_clock_the_webhooks_and_the_calls_are_reached_over_http(client, double, make_open):
    before = json.loads(ask(double, "GET", "/_double/clock")[1])["now"]
    moved = json.loads(ask(double, "POST", "/_double/clock", {"advance_seconds": 3600})[1])["now"]
    assert moved >= before + 3600
    assert ask(double, "POST", "/_double/webhooks", {"mode": "never", "count": 1})[0] == 200
    assert ask(double, "POST", "/_double/webhooks/release", {})[0] == 200
    assert ask(double, "POST", "/_double/pay", {"invoice": make_open(700).id})[0] == 200
    assert "finalize" in ask(double, "GET", "/_double/calls")[1]


def test_the_pages_list_invoices_and_escape_what_customers_wrote(client, double, customer, make_open):
    assert "There are no invoices yet" in ask(double, "GET", "/")[1]
    client.customers.update(customer.id, {"name": "<script>alert(1)</script>"})
    invoice = make_open(4905)

    listed = ask(double, "GET", "/")[1]
    assert "&lt;script&gt;" in listed and "<script>" not in listed
    assert invoice.number in listed and "49.05 USD" in listed
    shown = ask(double, "GET", f"/invoice/{invoice.id}")[1]
    assert "Line of 4905" in shown and "Pay 49.05 USD" in shown
    assert ask(double, "GET", "/invoice/in_nothing")[0] == 404
    assert ask(double, "GET", "/nowhere")[0] == 404


def test_the_button_on_the_hosted_page_pays_the_invoice(client, double, make_open):
    invoice = make_open(4905)
    status, page = ask(double, "POST", f"/invoice/{invoice.id}/pay")

    assert invoice.hosted_invoice_url == f"{double.url}/invoice/{invoice.id}"
    assert (status, "Pay 49.05" in page) == (200, False)
    assert client.invoices.retrieve(invoice.id).status == "paid"


@pytest.mark.slow
def test_the_command_line_serves_and_keeps_its_state(tmp_path):
    command = [
        sys.executable,
        "-m",
        "billing.stripe.double",
        "--port",
        "0",
        "--state",
        str(tmp_path / "s.sqlite"),
    ]
    for expected in (1, 2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            url = server.stdout.readline().split()[-1]
            client = stripe.StripeClient("sk_test_1", base_addresses={"api": url}).v1
            client.customers.create({"name": "Acme"})
            assert len(client.customers.list().data) == expected
            server.terminate()
            assert server.wait(10) == 0
