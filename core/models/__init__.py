from core.models.due_work import DueWork
from core.models.idempotency import IdempotencyRecord
from core.models.inbox import InboxMessage
from core.models.sandbox_clock import SandboxClock

__all__ = ["DueWork", "IdempotencyRecord", "InboxMessage", "SandboxClock"]
