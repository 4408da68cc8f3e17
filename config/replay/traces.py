"""Public traces of LLM traffic, read into events: Azure's CSV of calls, and Mooncake's JSON lines with prefix blocks."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.times import render_time

BLOCK_TOKENS = 512
AZURE_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
MOONCAKE_FIELDS = ("timestamp", "input_length", "output_length", "hash_ids")


class TraceError(ValueError):
    """The file is no trace that we know; the message names the line and what would be right."""


@dataclass(frozen=True)
class Call:
    """One recorded call: its row in the file from 1, its time after the first call, and its disjoint tokens."""

    row: int
    after: timedelta
    input: int
    cache_read: int
    output: int


@dataclass(frozen=True)
class Sender:
    """As whose use a trace is sent, and under which names."""

    customer: str
    provider: str
    model: str
    id_prefix: str
    start: datetime

    def event(self, call: Call) -> dict[str, Any]:
        """The event of ``POST /v1/events``; the same row of the same file always has the same id and content."""
        usage = {"input": call.input, "cache_read": call.cache_read, "output": call.output}
        return {
            "id": f"{self.id_prefix}:{call.row}",
            "source": "replay",
            "customer": self.customer,
            "type": "llm.call",
            "time": render_time(self.start + call.after),
            "provider": self.provider,
            "model": self.model,
            "usage": {name: count for name, count in usage.items() if count},
        }


def read_trace(path: Path) -> list[Call]:
    """The calls in order of time. Raises ``TraceError``, and ``OSError`` for a file that cannot be read."""
    read: Callable[[Path], Iterator[Call]] = _mooncake if path.suffix == ".jsonl" else _azure
    try:
        calls = sorted(read(path), key=lambda call: (call.after, call.row))
    except UnicodeDecodeError:
        raise TraceError(f"{path.name} is no text.") from None
    if not calls:
        raise TraceError(f"{path.name} holds no calls.")
    first = calls[0].after
    return [Call(call.row, call.after - first, call.input, call.cache_read, call.output) for call in calls]


def _azure(path: Path) -> Iterator[Call]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not set(AZURE_COLUMNS) <= set(rows.fieldnames or ()):
            raise TraceError(f"{path.name} must begin with the columns {','.join(AZURE_COLUMNS)}.")
        for number, row in enumerate(rows, start=1):
            try:
                # Seven digits after the second; Python reads six.
                at = datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC)
                prompt, answer = int(row["ContextTokens"]), int(row["GeneratedTokens"])
            except (TypeError, ValueError):
                raise TraceError(f"{path.name}, row {number}: write a time and two whole numbers.") from None
            yield Call(number, at - datetime(1970, 1, 1, tzinfo=UTC), prompt, 0, answer)


def _mooncake(path: Path) -> Iterator[Call]:
    """A block that came before is in the cache, as long as all blocks before it are too: ids name whole prefixes."""
    seen: set[int] = set()
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                milliseconds, prompt, answer, blocks = (row[name] for name in MOONCAKE_FIELDS)
                known = next((n for n, block in enumerate(blocks) if block not in seen), len(blocks))
                after, cached = timedelta(milliseconds=milliseconds), min(known * BLOCK_TOKENS, int(prompt))
                call = Call(number, after, int(prompt) - cached, cached, int(answer))
            except (KeyError, TypeError, ValueError):
                fields = ", ".join(MOONCAKE_FIELDS)
                raise TraceError(f"{path.name}, line {number}: write a JSON object with {fields}.") from None
            seen.update(blocks)
            yield call
