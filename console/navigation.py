"""The console's sections and the pages in them. A page of its own gets one line here."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """A page with a link. ``below`` are the pages that are reached from it and light up the same link."""

    label: str
    name: str
    below: tuple[str, ...] = ()

    def holds(self, name: str) -> bool:
        return name == self.name or name in self.below


@dataclass(frozen=True)
class Section:
    """A link of the masthead, which leads to the section's first page. With several pages it has a row of its own."""

    label: str
    pages: tuple[Page, ...]

    def holds(self, name: str) -> bool:
        return any(page.holds(name) for page in self.pages)


SECTIONS = (
    Section("Overview", (Page("Overview", "overview", ("work", "clock")),)),
    Section(
        "Customers",
        (
            Page(
                "Customers",
                "customers",
                (
                    *("customer", "new_customer", "customer_details", "api_key", "portal_link"),
                    *("credits", "subscription", "new_subscription"),
                ),
            ),
        ),
    ),
    Section(
        "Usage",
        (
            Page("Events", "events", ("event", "conflict")),
            Page("Arrivals", "arrivals"),
            Page("Refused", "refused", ("refusal",)),
            Page("Unmatched", "unmatched", ("unmatched_key",)),
            Page("Try", "try_events"),
            Page("Backfills", "backfills", ("backfill", "new_backfill")),
            Page("Explore", "explore"),
            Page("Runs", "runs", ("run",)),
            Page("Value", "value", ("new_value_event", "archive_value_event")),
        ),
    ),
    Section(
        "Catalog",
        (
            Page("Plans", "plans", ("plan", "new_plan", "new_version", "plan_version", "edit_draft")),
            Page("Meters", "meters", ("new_meter",)),
            Page("Moves", "plan_moves", ("plan_move", "new_move")),
            Page("Add-ons", "add_ons"),
            Page("Burn tables", "burn_tables", ("burn_table", "new_burn_table", "new_burn_version")),
            Page("Price book", "prices", ("unpriced", "own_prices", "price_imports", "staged")),
            Page("Re-ratings", "re_ratings", ("re_rating", "new_re_rating")),
        ),
    ),
    Section("Invoices", (Page("Invoices", "invoices", ("invoice", "invoice_line")),)),
)


def section_of(name: str) -> Section | None:
    """The section that the page with this address's name belongs to."""
    return next((section for section in SECTIONS if section.holds(name)), None)
