"""Whose an event is: from the name it came with to our customer."""

from collections.abc import Callable, Iterable

from django.db import connection

from core import limits
from core.remembered import forget_with

FindBySubscription = Callable[[set[str]], dict[str, int]]
_find_by_subscription: FindBySubscription | None = None

# A customer is never removed, and its key never changes, so what was found once may be remembered. Whoever stores looks
# whether it is there all the same: a database may be put back to an earlier state under a running process.
_known: dict[str, int] = {}
forget_with(_known.clear)

# Lago's clients name a subscription where ours name a customer.
DOORS_NAMING_SUBSCRIPTIONS = frozenset({"lago"})


def hand_over_subscription_lookup(find: FindBySubscription) -> None:
    """Name the function that knows subscriptions' keys (key → customer id). Called once, at start."""
    global _find_by_subscription
    _find_by_subscription = find


def customer_ids(keys: Iterable[str], *, subscriptions: bool = False) -> dict[str, int]:
    """The customers known by these keys.

    With ``subscriptions`` a key may name a subscription, and does so first.
    """
    wanted = set(keys)
    found: dict[str, int] = {}
    if wanted and subscriptions and _find_by_subscription is not None:
        found = dict(_find_by_subscription(wanted))
    missing = wanted - found.keys()
    for key in missing & _known.keys():
        found[key] = _known[key]
    missing -= found.keys()
    if missing:
        # Asked once for every group of events, so it goes past the query builder, which costs more than the
        # query.
        with connection.cursor() as cursor:
            cursor.execute("SELECT key, id FROM customers_customer WHERE key = ANY(%s)", [list(missing)])
            fresh = dict(cursor.fetchall())
        _remember(fresh)
        found |= fresh
    return found


def _remember(fresh: dict[str, int]) -> None:
    if connection.in_atomic_block:
        return  # a customer made in this transaction is gone again if it is rolled back
    if len(_known) + len(fresh) > limits.CUSTOMERS_REMEMBERED_MAX:
        _known.clear()
    _known.update(fresh)
