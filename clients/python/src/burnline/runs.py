"""One agent's work, made of steps."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from burnline.events import new_id


class Run:
    """``track`` as the client's, with the run, its next step, the customer and the properties filled in."""

    def __init__(
        self,
        track: Callable[..., str | None],
        id: str | None,
        customer: str | None,
        properties: Mapping[str, Any] | None,
    ) -> None:
        self.id = new_id() if id is None else id
        self._track = track
        self._customer = customer
        self._properties = properties
        self._steps = itertools.count(1)

    def track(self, **event: Any) -> str | None:
        """Keep one step of the run, as ``Client.track`` does."""
        event.setdefault("customer", self._customer)
        event.setdefault("run", {"id": self.id, "step": next(self._steps)})
        if self._properties is not None:
            given = event.get("properties")
            event["properties"] = (
                {**self._properties, **given} if isinstance(given, Mapping) else self._properties
            )
        return self._track(**event)
