from django.db import models


class SandboxClock(models.Model):
    """How far the sandbox's clock stands ahead of the real one. One row; only read with ``BURNLINE_SANDBOX=1``."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    now = models.DateTimeField(help_text="the sandbox's time when it was last set")
    set_at = models.DateTimeField(help_text="the real time at that moment")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="sandbox_clock_single")]
