"""The daily reading of price lists: what is packaged, and the lists whose addresses the operator has set.

A reading that fails is noted and shown, and tried again the next day; rating goes on with the prices in force. What looks
wrong in a list waits for a person, as in every import.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

import structlog

from core import limits
from core.egress import AddressRefused, DeliveryFailed, Reply, fetch
from pricing.models import PriceSnapshot, PriceSync
from pricing.price_imports import import_price_list
from pricing.price_sources.files import read_prices
from pricing.price_sources.packaged import PACKAGED, import_packaged_prices, packaged_versions
from pricing.price_sources.quotes import SourceError

log = structlog.get_logger()

BY = "daily reading"
ERROR_CHARACTERS_MAX = 500
Fetch = Callable[[str], Reply]


def fetch_list(url: str) -> Reply:
    """The price list at the address, over the open internet alone."""
    return fetch(url, most=limits.PRICE_LIST_BYTES_MAX)


def sync_prices(addresses: Mapping[str, str], *, now: datetime, fetch: Fetch = fetch_list) -> list[PriceSync]:
    """Read the packaged prices where they are new, and each list by source and address; returns how each went.

    One list that fails does not keep the others from being read.
    """
    packaged = _noted(PACKAGED, "", partial(_packaged, now), now)
    live = [
        _noted(source, url, partial(_live, source, url, fetch, now), now) for source, url in addresses.items()
    ]
    return [packaged, *live]


def _noted(source: str, url: str, read: Callable[[], PriceSnapshot | None], now: datetime) -> PriceSync:
    sync = PriceSync.objects.filter(source=source).first() or PriceSync(source=source)
    sync.address, sync.tried_at = url, now
    try:
        snapshot = read()
    except (AddressRefused, DeliveryFailed, SourceError) as error:
        sync.error = str(error)[:ERROR_CHARACTERS_MAX]
        log.warning("prices.sync_failed", source=source, reason=sync.error)
    except Exception as error:
        sync.error = f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS_MAX]
        log.exception("prices.sync_failed", source=source)
    else:
        sync.error, sync.read_at = "", now
        sync.snapshot = snapshot or sync.snapshot
    sync.save()
    return sync


def _packaged(now: datetime) -> PriceSnapshot | None:
    known = packaged_versions()
    if all(PriceSnapshot.objects.filter(source=one, version=known[one]).exists() for one in known):
        return PriceSnapshot.objects.filter(source=PACKAGED).order_by("-id").first()
    return import_packaged_prices(now=now)[0].snapshot


def _live(source: str, url: str, fetch: Fetch, now: datetime) -> PriceSnapshot:
    reply = fetch(url)
    if reply.status != 200:
        raise DeliveryFailed(f"The address answered {reply.status}, not 200.")
    try:
        text = reply.body.decode()
    except UnicodeDecodeError:
        raise SourceError("The list is not UTF-8 text.") from None
    return import_price_list(read_prices(source, text), now=now, by=BY).snapshot
