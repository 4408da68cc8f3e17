"""What a call is: its feature, model, tokens, person and run. Lengths are those of real traffic, as published.

From Azure/AzurePublicDataset's traces of 2023 (CC-BY 4.0, Microsoft) and kvcache-ai/Mooncake's conversation trace
(Apache-2.0): mean and 99th percentile of prompts and answers, made a lognormal distribution of the same two.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import NormalDist

from config.demo.tenants import Tenant
from config.demo.traffic import arrivals, burstiness
from metering.events import NewEvent

Z99 = NormalDist().inv_cdf(0.99)
CACHE_BLOCK_TOKENS = 512


@dataclass(frozen=True)
class Length:
    """Token counts with this mean and 99th percentile."""

    mean: float
    p99: float

    def parameters(self) -> tuple[float, float]:
        """Mean and spread of the logarithm.

        >>> mu, sigma = Length(1155, 4142).parameters()
        >>> round(math.exp(mu + sigma**2 / 2)), round(math.exp(mu + Z99 * sigma))
        (1155, 4142)
        """
        sigma = Z99 - math.sqrt(Z99**2 - 2 * math.log(self.p99 / self.mean))
        return math.log(self.mean) - sigma**2 / 2, sigma


CONVERSATION = Length(1_155, 4_142), Length(211, 601)  # Azure, conversation
RETRIEVAL = Length(2_048, 7_436), Length(28, 252)  # Azure, code: long context, short answer
LONG = Length(12_035, 85_401), Length(343, 1_120)  # Mooncake, conversation
CACHED_SHARE = 0.37  # of Mooncake's prompt tokens
GROUNDED = RETRIEVAL[0], CONVERSATION[1]  # an answer with the passages that it is drawn from
HISTORY = (
    Length(36_000, 150_000),
    LONG[1],
)  # an agent sends all that it did before, from Mooncake's middle to its top

ANTHROPIC, OPENAI, GOOGLE = "anthropic", "openai", "google"
OPUS, SONNET, HAIKU = (
    (ANTHROPIC, "claude-opus-4-5"),
    (ANTHROPIC, "claude-sonnet-4-5"),
    (ANTHROPIC, "claude-haiku-4-5"),
)
GPT, GPT_MINI = (OPENAI, "gpt-5"), (OPENAI, "gpt-5-mini")
GEMINI, FLASH = (GOOGLE, "gemini-2.5-pro"), (GOOGLE, "gemini-2.5-flash")


@dataclass(frozen=True)
class Feature:
    """One thing that Larkspur AI sells. ``models`` are weighted; ``fails`` is the share of calls that fail."""

    models: dict[tuple[str, str], int]
    lengths: tuple[Length, Length]
    cached: float
    fails: float


FEATURES = {
    "chat": Feature({SONNET: 65, OPUS: 10, GPT_MINI: 10, HAIKU: 15}, CONVERSATION, 0.15, 0.008),
    "search": Feature({HAIKU: 40, FLASH: 40, GPT_MINI: 20}, RETRIEVAL, 0.25, 0.004),
    "summarize": Feature({SONNET: 50, GEMINI: 35, OPUS: 15}, LONG, CACHED_SHARE, 0.012),
    "agent": Feature({SONNET: 55, OPUS: 30, GPT: 15}, HISTORY, 0.6, 0.035),
    "support": Feature({SONNET: 80, HAIKU: 20}, GROUNDED, 0.3, 0.01),
}
MIXES: dict[str, dict[str, int]] = {
    "assistant": {"chat": 60, "search": 25, "summarize": 10, "support": 5},
    "coding": {"agent": 75, "chat": 20, "search": 5},
    "help desk": {"support": 70, "search": 20, "chat": 10},
    "research": {"summarize": 45, "search": 35, "chat": 20},
    "writing": {"chat": 55, "summarize": 40, "search": 5},
    "long prompts": {"summarize": 95, "chat": 5},
}
TEAMS = ("product", "operations", "sales", "research", "finance", "support")
TASKS = ("fix-bug", "write-tests", "upgrade-packages", "review-change", "triage-alert")
RESOLVED_SHARE = 0.06  # of support calls, those that settle a ticket
RUN_GOES_ON = 0.88
SESSION_GOES_ON = 0.75
RETRIED_SHARE = 0.6
STARTED_BY_ANOTHER = 0.35  # of runs, those that the run before handed a part of its work to
RUN_DEPTH_MAX = 4
STAGES = ("plan", "edit", "test", "review")
REOPENED_SHARE = 0.07  # of settled tickets


@dataclass
class Run:
    """An agent at work."""

    id: str
    task: str
    parent: str = ""
    depth: int = 0
    step: int = 0
    attempt: int = 1
    failed: bool = False

    @property
    def place(self) -> dict[str, int | str]:
        """What each of its events says of it."""
        link: dict[str, int | str] = {"parent": self.parent} if self.parent else {}
        return {"step": self.step, "attempt": self.attempt, **link}

    @property
    def stage(self) -> str:
        return STAGES[min(max(self.step - 1, 0) // 3, len(STAGES) - 1)]


class Desk:
    """One customer's people at work: it makes their calls, one after another."""

    def __init__(self, tenant: Tenant, rng: random.Random) -> None:
        self.tenant = tenant
        self.rng = rng
        self.features = list(MIXES[tenant.uses])
        self.weights = list(MIXES[tenant.uses].values())
        self.sessions: dict[str, str] = {}
        self.run: Run | None = None
        # Apart from the rest, so that what is drawn here moves none of the other numbers.
        self.afterwards = random.Random(f"{tenant.key} afterwards")
        self.reopening: list[NewEvent] = []

    def calls(self, start: datetime, end: datetime, count: int) -> Iterator[NewEvent]:
        """About ``count`` calls and the tickets they settle, in order of time."""
        instants = arrivals(self.rng, start, end, count, self.tenant.zone, burstiness(self.rng))
        for at in instants:
            while self.reopening and self.reopening[0].occurred_at <= at:
                yield self.reopening.pop(0)
            feature = self.rng.choices(self.features, self.weights)[0]
            call = self.call(feature, at)
            yield call
            if feature == "support" and call.status == "ok" and self.rng.random() < RESOLVED_SHARE:
                ticket = self._ticket(call)
                yield ticket
                if self.afterwards.random() < REOPENED_SHARE:
                    self._reopen(ticket)

    def call(self, name: str, at: datetime) -> NewEvent:
        """One call of a feature."""
        feature, rng = FEATURES[name], self.rng
        provider, model = rng.choices(list(feature.models), list(feature.models.values()))[0]
        failed = rng.random() < feature.fails
        usage = self._usage(feature, failed)
        properties = {"feature": name, **self._person()}
        run = self._step(failed) if name == "agent" else None
        if run is not None:
            properties |= {"task": run.task, "stage": run.stage}
        else:
            properties["session"] = self._session(properties["user"])
        return NewEvent(
            id=f"req_{rng.getrandbits(80):020x}",
            source="larkspur-gateway",
            customer=self.tenant.key,
            type="llm.call",
            occurred_at=at,
            provider=provider,
            model=model,
            usage=usage,
            status="error" if failed else "ok",
            latency_ms=int(300 + 14 * int(usage.get("output", 0)) + rng.expovariate(1 / 250)),
            run_id=run.id if run else "",
            run=run.place if run else None,
            properties=properties,
        )

    def _usage(self, feature: Feature, failed: bool) -> dict[str, Decimal]:
        prompt, answer = (
            max(1, int(self.rng.lognormvariate(*length.parameters()))) for length in feature.lengths
        )
        cached = 0
        if self.rng.random() < min(1.0, feature.cached * 1.6):
            blocks = int(prompt * min(1.0, self.rng.uniform(0.25, 1.0)) / CACHE_BLOCK_TOKENS)
            cached = blocks * CACHE_BLOCK_TOKENS
        usage = {"input": Decimal(prompt - cached)}
        if cached:
            usage["cache_read"] = Decimal(cached)
        if not failed:
            usage["output"] = Decimal(answer)
        return usage

    def _person(self) -> dict[str, str]:
        number = min(int(self.rng.paretovariate(0.9)), self.tenant.people)
        return {
            "user": f"u{number:03d}",
            "team": TEAMS[number % min(len(TEAMS), 1 + self.tenant.people // 6)],
        }

    def _session(self, user: str) -> str:
        if user not in self.sessions or self.rng.random() > SESSION_GOES_ON:
            self.sessions[user] = f"s-{self.rng.getrandbits(32):08x}"
        return self.sessions[user]

    def _step(self, failed: bool) -> Run:
        run = self.run
        if run is None or self.rng.random() > RUN_GOES_ON:
            started = Run(f"run-{self.rng.getrandbits(40):010x}", self.rng.choice(TASKS))
            if (
                run is not None
                and run.depth < RUN_DEPTH_MAX
                and self.afterwards.random() < STARTED_BY_ANOTHER
            ):
                started.parent, started.depth = run.id, run.depth + 1
            run = self.run = started
        if run.failed and self.rng.random() < RETRIED_SHARE:
            run.attempt += 1
        else:
            run.step, run.attempt = run.step + 1, 1
        run.failed = failed
        return run

    def _ticket(self, call: NewEvent) -> NewEvent:
        return NewEvent(
            id=f"tkt_{self.rng.getrandbits(64):016x}",
            source="larkspur-desk",
            customer=self.tenant.key,
            type="ticket.resolved",
            occurred_at=call.occurred_at + timedelta(milliseconds=call.latency_ms or 0),
            properties={**call.properties, "channel": self.rng.choice(("mail", "chat", "phone"))},
        )

    def _reopen(self, ticket: NewEvent) -> None:
        """Some hours or days later the ticket is opened again."""
        again = NewEvent(
            id=f"{ticket.id}-reopened",
            source=ticket.source,
            customer=ticket.customer,
            type="ticket.reopened",
            occurred_at=ticket.occurred_at + timedelta(hours=self.afterwards.uniform(2, 90)),
            properties={"reverses": ticket.id, "channel": ticket.properties["channel"]},
        )
        self.reopening = sorted([*self.reopening, again], key=lambda event: event.occurred_at)
