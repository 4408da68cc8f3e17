"""What calls are sold for one by one: the sum of the prices that their receipts tell, read for many calls at once.

Only charges that price events by themselves count here. What follows from a period's total (tiers, packages, the
largest of many) has no price by the call.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.receipts.receipt import charge_parts, own_price
from billing.recounts.redraws import Standing, standing_draws
from billing.subscriptions.terms import stretches_of
from core import limits
from core.money import ZERO, exact
from metering.stored_event import StoredEvent, events_by_seq, events_of_runs


@dataclass(frozen=True)
class Prices:
    """Prices of calls added up, in the customer's currency: all of them, those of failed calls, of further attempts."""

    total: Decimal = ZERO
    failed: Decimal = ZERO
    retries: Decimal = ZERO

    @exact
    def __add__(self, other: "Prices") -> "Prices":
        return Prices(self.total + other.total, self.failed + other.failed, self.retries + other.retries)


def prices_of_calls(
    customer_id: int, seqs: Sequence[int], draws: Sequence[Standing] | None = None
) -> dict[int, Decimal | None]:
    """The own price of each of these calls by its number; None where no charge prices it by itself.

    ``draws`` are the calls' standing draws, where the caller has read them.
    """
    return _own_prices(customer_id, events_by_seq(customer_id, seqs), draws)


def prices_of_runs(customer_id: int, run_ids: Sequence[str]) -> dict[str, Prices] | None:
    """The prices of each run's own calls; None where there are too many calls to be priced while somebody waits."""
    events = events_of_runs(customer_id, run_ids, limits.RUNS_PRICED_CALLS_MAX + 1)
    if len(events) > limits.RUNS_PRICED_CALLS_MAX:
        return None
    prices = _own_prices(customer_id, events)
    found = {run_id: Prices() for run_id in run_ids}
    for event in events:
        price = prices[event.seq] or ZERO
        retried = Decimal((event.run or {}).get("attempt", 1)) > 1
        found[event.run_id] += Prices(price, price if event.failed else ZERO, price if retried else ZERO)
    return found


@exact
def _own_prices(
    customer_id: int, events: Sequence[StoredEvent], draws: Sequence[Standing] | None = None
) -> dict[int, Decimal | None]:
    stretches = stretches_of(customer_id)
    if not any(stretch.prices_credits for stretch in stretches):
        draws = ()
    elif draws is None:
        draws = standing_draws(customer_id, seqs=[event.seq for event in events])
    burnt: dict[int, list[Standing]] = defaultdict(list)
    for draw in draws:
        burnt[draw.seq].append(draw)
    found: dict[int, Decimal | None] = {}
    for event in events:
        found[event.seq] = own_price(
            part
            for stretch in stretches
            if stretch.holds(event.occurred_at)
            for part in charge_parts(stretch, event, burnt.get(event.seq, ()))
        )
    return found
