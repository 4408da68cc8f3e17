"""Work that gave up and waits for a person."""

from core.models import DueWork


def parked_work(limit: int = 200) -> list[DueWork]:
    """Parked work, the longest waiting first."""
    return list(
        DueWork.objects.exclude(parked_at=None).order_by("parked_at", "customer_id", "kind", "key")[:limit]
    )


def parked_count() -> int:
    return DueWork.objects.exclude(parked_at=None).count()
