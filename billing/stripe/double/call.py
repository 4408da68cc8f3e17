"""One API call on its way through the double."""

from dataclasses import dataclass
from typing import Any

from billing.stripe.double.errors import Refusal, no_such, not_carried
from billing.stripe.double.events import Announcer
from billing.stripe.double.shapes import public
from billing.stripe.double.state import Body, State


@dataclass
class Call:
    """What a route's function works with: the state in a transaction, one ``now``, the checked parameters."""

    state: State
    now: int
    params: dict[str, Any]
    announcer: Announcer
    base_url: str
    request_id: str | None = None
    idempotency_key: str | None = None
    path: str = ""

    def announce(self, kind: str, body: Body, before: Body | None = None) -> None:
        """Record an event with a snapshot of the object and put its webhooks on their way.

        ``before`` is the object as it was; an ``*.updated`` event without a difference is not announced.
        """
        body, changed = public(body), None
        if before is not None:
            changed = {name: value for name, value in public(before).items() if body.get(name) != value}
            if not changed:
                return
        request = {"id": self.request_id, "idempotency_key": self.idempotency_key}
        self.announcer.announce(kind, body, changed=changed, request=request, now=self.now)

    def find(self, kind: str, identity: str, noun: str, *, param: str = "id") -> Body:
        """The object of that id. Raises Refusal ``resource_missing``."""
        found = self.state.get(kind, identity)
        if found is None:
            raise no_such(noun, identity, param=param)
        return found

    def only(self, *carried: str) -> None:
        """Refuse parameters that Stripe knows but this call of the double does not carry."""
        for name in self.params:
            if name not in carried:
                raise not_carried(name)

    def required(self, name: str) -> Any:
        if self.params.get(name) in (None, ""):
            raise Refusal(f"Missing required param: {name}.", code="parameter_missing", param=name)
        return self.params[name]
