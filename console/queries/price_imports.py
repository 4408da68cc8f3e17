"""Imports of price lists as the console shows them, and how the daily reading of each source stands."""

from django.db.models import F, Func, IntegerField, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce

from pricing.models import PriceSnapshot, PriceSync


def price_imports(status: str, words: str) -> QuerySet[PriceSnapshot]:
    """Imports with how many prices each took in (``taken``) and how many wait in it (``waiting``)."""
    # A snapshot holds a whole price list, and its difference everything that waits: neither is read for a row.
    rows = PriceSnapshot.objects.defer("content", "diff").annotate(
        waiting=Coalesce(
            Func(F("diff__staged"), function="jsonb_array_length", output_field=IntegerField()), 0
        ),
        taken=_count("new") + _count("changed") + _count("agreed") + _count("applied"),
    )
    if status in PriceSnapshot.Status.values:
        rows = rows.filter(status=status)
    return rows.filter(Q(source__icontains=words) | Q(version__icontains=words)) if words else rows


def price_syncs() -> list[PriceSync]:
    """How the daily reading of each source stands, those that failed first."""
    syncs = PriceSync.objects.select_related("snapshot").defer("snapshot__content", "snapshot__diff")
    return sorted(syncs, key=lambda sync: (not sync.error, sync.source))


def _count(name: str) -> Coalesce:
    return Coalesce(Cast(KT(f"diff__counts__{name}"), IntegerField()), 0)
