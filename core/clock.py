"""The time, read at the edges alone and passed on as ``now``."""

from datetime import UTC, datetime

from django.conf import settings

from core.models import SandboxClock


def now() -> datetime:
    """The present instant in UTC; in a sandbox, the sandbox's own time, which runs on from where it was set."""
    real = datetime.now(UTC)
    if not settings.SANDBOX:
        return real
    clock = SandboxClock.objects.filter(id=1).first()
    return real if clock is None else clock.now + (real - clock.set_at)
