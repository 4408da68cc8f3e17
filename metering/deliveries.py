"""One request that brings events: who sent it, when, and by which door."""

from dataclasses import dataclass
from datetime import datetime

from core.http.credentials import Credential


@dataclass
class Delivery:
    """``door`` is the best known until the body tells more; ``size`` is the body's in bytes.

    What comes in a ``rehearsal`` leaves no trace.
    """

    door: str
    credential: Credential
    now: datetime
    rehearsal: bool = False
    size: int = 0
