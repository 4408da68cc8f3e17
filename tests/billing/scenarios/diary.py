"""A diary of a sandbox: what happens on which day, said and asked through the public API alone."""

from copy import copy
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from billing.books.verify import verify_books
from core.sandbox import set_clock


class Diary:
    """``on`` moves the clock; everything else happens at the clock's time. Every answer that is a refusal fails at once."""

    def __init__(self, api: Any) -> None:
        self.api = api
        self.today = ""
        self._ids = count(1)

    @classmethod
    def opened(cls, api: Any, day: str) -> "Diary":
        """A diary that begins on a day, whatever day it is outside: by itself a sandbox's clock only moves forward."""
        set_clock(datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(days=1))
        diary = cls(api)
        diary.on(day)
        return diary

    def again(self) -> "Diary":
        """A diary that goes on from here, for a test of its own after a past that was told once."""
        other = Diary(self.api)
        other.today, other._ids = self.today, copy(self._ids)
        return other

    def on(self, moment: str) -> None:
        """Move the clock: a day (its first instant in UTC), or a time."""
        self.today = moment if "T" in moment else f"{moment}T00:00:00Z"
        self.post("/v1/sandbox/clock", {"now": self.today})

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        response = self.api.post(path, body)
        assert response.status_code < 300, (path, response.content)
        return response.json()

    def get(self, path: str, **query: Any) -> Any:
        response = self.api.get(path, **query)
        assert response.status_code == 200, (path, response.content)
        return response.json()

    def customer(self, key: str = "acme", **fields: Any) -> None:
        self.post("/v1/customers", {"key": key, "name": key.title(), **fields})

    def meter(self, key: str, aggregation: str = "sum", event_type: str = "llm.call", **fields: Any) -> None:
        self.post("/v1/meters", {"key": key, "event_type": event_type, "aggregation": aggregation, **fields})

    def plan(self, key: str, charges: list[dict[str, Any]], **terms: Any) -> None:
        body = {"key": key, "name": key.title(), "charges": charges, **terms}
        self.post("/v1/plans", body)
        self.post(f"/v1/plans/{key}/versions/1/publish")

    def subscribe(self, plan: str, customer: str = "acme", **fields: Any) -> Any:
        return self.post("/v1/subscriptions", {"customer": customer, "plan": plan, **fields})

    def use(self, customer: str = "acme", *, time: str = "", type: str = "llm.call", **fields: Any) -> str:
        """One event, at the clock's time if no other is said; its id."""
        event_id = f"e{next(self._ids)}"
        event = {
            "id": event_id,
            "source": "diary",
            "customer": customer,
            "type": type,
            "time": time or self.today,
            **fields,
        }
        self.post("/v1/events", event)
        return event_id

    def spend(self, customer: str = "acme") -> Any:
        return self.get(f"/v1/customers/{customer}/spend")

    def credits(self, customer: str = "acme", **query: Any) -> Any:
        return self.get(f"/v1/customers/{customer}/credits", **query)

    def invoices(self, customer: str = "acme", **query: Any) -> list[Any]:
        """The customer's invoices, oldest first."""
        found: list[Any] = self.get("/v1/invoices", customer=customer, **query)["results"]
        return found[::-1]

    def totals(self, customer: str = "acme") -> list[tuple[str, int]]:
        """Status and total of each invoice, oldest first."""
        return [(one["status"], one["total_minor"]) for one in self.invoices(customer)]

    def lines(self, invoice: Any) -> list[tuple[str, int]]:
        """What each line is for, and its amount."""
        return [(line["charge"] or line["kind"], line["amount_minor"]) for line in invoice["lines"]]

    def books_are_clean(self) -> None:
        """Every invariant of the books holds."""
        assert [breach.detail for _, found in verify_books() for breach in found] == []
