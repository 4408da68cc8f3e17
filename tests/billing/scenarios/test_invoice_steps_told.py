"""A step that comes in the wrong order is refused with a sentence that says what to do."""

from collections.abc import Callable

import pytest

from tests.billing.scenarios.diary import Diary

pytestmark = pytest.mark.django_db


def told(book: Diary, path: str, body: object = None) -> str:
    answer = book.api.post(path, body)
    assert answer.status_code == 409, answer.content
    return str(answer.json()["detail"])


def test_each_wrong_step_says_what_to_do(diary: Callable[[str], Diary]) -> None:
    book = diary("2027-01-01")
    book.customer()
    book.plan("pro", [], fee="10", fee_timing="arrears")
    book.subscribe("pro")
    book.on("2027-02-01T00:10:00Z")
    path = f"/v1/invoices/{book.invoices()[0]['id']}"
    payment = {"reference": "bank 1"}
    assert "finalize it" in told(book, f"{path}/pay", payment)
    assert "a draft: finalize or void it" in told(book, f"{path}/uncollectible")
    number = book.post(f"{path}/finalize")["number"]
    assert "10.00 USD to pay, not 10.01" in told(book, f"{path}/pay", payment | {"amount_minor": 1001})
    book.post(f"{path}/pay", payment)
    assert (
        told(book, f"{path}/pay", {"reference": "bank 2"})
        == f"{number} is paid in full: nothing is due on it."
    )
    assert "stays as it is" in told(book, f"{path}/void")

    book.on("2027-03-01T02:00:00Z")
    path = f"/v1/invoices/{book.invoices()[-1]['id']}"
    number = book.post(f"{path}/void")["number"]
    assert told(book, f"{path}/pay", payment) == f"{number} is void: nothing is due on it."
    assert told(book, f"{path}/finalize") == f"{number} is void and stays so: nothing is due on it."
