"""Events: what happened, as a snapshot, and how each is to be delivered."""

import threading
from dataclasses import asdict, dataclass
from typing import Any

import stripe

from billing.stripe.double.shapes import VERSION, bare, new_id
from billing.stripe.double.state import Body, State

MODES = {
    "normal": "each event is sent at once",
    "late": "each event is sent `seconds` later by the double's clock",
    "twice": "each event is sent two times, same id",
    "twin": "each change makes two events with two ids, both sent",
    "out_of_order": "events are held back until `count` are there, then sent last first",
    "never": "events are recorded and never sent",
}


@dataclass
class DeliveryPlan:
    """How the next events are delivered; normal again after ``count`` of them (0: until told)."""

    mode: str = "normal"
    count: int = 0
    seconds: int = 0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"mode: one of {', '.join(MODES)}, not {self.mode!r}")
        if not isinstance(self.count, int) or self.count < 0:
            raise ValueError(f"count: a count from 0, not {self.count!r}")


class Announcer:
    """Writes events and their deliveries. The courier sends them once the transaction has committed."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.plan = DeliveryPlan()
        self.wake = threading.Condition()

    def set_plan(self, mode: str, *, count: int = 0, seconds: int = 0) -> DeliveryPlan:
        """Raises ValueError naming what is wrong."""
        plan = DeliveryPlan(mode, count, seconds)
        with self.state.lock:
            self.plan = plan
        return plan

    def announce(
        self, kind: str, body: Body, *, changed: Body | None, request: dict[str, str | None], now: int
    ) -> None:
        data: dict[str, Any] = {"object": body}
        if changed is not None:
            data["previous_attributes"] = changed
        for _ in range(2 if self.plan.mode == "twin" else 1):
            listeners = [row for row in self.state.all_of("webhook_endpoint") if listens(row, kind)]
            event = bare(
                stripe.Event,
                id=new_id("evt"),
                object="event",
                api_version=VERSION,
                created=now,
                data=data,
                type=kind,
                request=request,
                pending_webhooks=len(listeners),
            )
            self.state.put(event)
            for endpoint in listeners:
                self.dispatch(event["id"], endpoint["id"], now)
        self.spend_plan()

    def dispatch(self, event: str, endpoint: str, now: int) -> None:
        """Write the deliveries of one event to one endpoint, as the plan says."""
        mode = self.plan.mode
        if mode == "never":
            return
        due_at = None if mode == "out_of_order" else now + (self.plan.seconds if mode == "late" else 0)
        state = "held" if mode == "out_of_order" else "waiting"
        for _ in range(2 if mode == "twice" else 1):
            self.state.rows(
                "insert into deliveries (event, endpoint, due_at, state) values (?, ?, ?, ?) returning seq",
                event,
                endpoint,
                due_at,
                state,
            )

    def spend_plan(self) -> None:
        if self.plan.count == 0:
            return
        self.plan.count -= 1
        if self.plan.count == 0:
            if self.plan.mode == "out_of_order":
                self.release()
            self.plan = DeliveryPlan()

    def release(self, order: list[str] | None = None) -> None:
        """Let go what was held back: last first, or in the given order of event ids."""
        held = self.state.rows("select seq, event from deliveries where state = 'held' order by seq desc")
        if order is not None:
            held = sorted(
                held, key=lambda row: order.index(row["event"]) if row["event"] in order else len(order)
            )
        for row in held:
            # A new row at the end of the queue: the courier sends by seq among what is due.
            self.state.rows(
                "insert into deliveries (event, endpoint, due_at) select event, endpoint, 0 from deliveries"
                " where seq = ? returning seq",
                row["seq"],
            )
            self.state.rows("delete from deliveries where seq = ? returning seq", row["seq"])

    def resend(self, event: str, now: int) -> int:
        """Send a recorded event once more to each endpoint that listens; gives how many."""
        found = self.state.get("event", event)
        if found is None:
            raise ValueError(f"event: no such event {event!r}")
        listeners = [row for row in self.state.all_of("webhook_endpoint") if listens(row, found["type"])]
        for endpoint in listeners:
            self.state.rows(
                "insert into deliveries (event, endpoint, due_at) values (?, ?, ?) returning seq",
                event,
                endpoint["id"],
                now,
            )
        return len(listeners)

    def nudge(self) -> None:
        """Tell the courier that something may be due."""
        with self.wake:
            self.wake.notify_all()

    def snapshot(self) -> dict[str, Any]:
        """The plan and every delivery, for a test or a curious operator."""
        rows = self.state.rows("select * from deliveries order by seq")
        return {"plan": asdict(self.plan), "deliveries": [dict(row) for row in rows]}


def listens(endpoint: Body, kind: str) -> bool:
    return endpoint["status"] == "enabled" and bool({"*", kind} & set(endpoint["enabled_events"]))
