"""Everything the double knows, in one SQLite database: a file that survives a restart, or memory.

A call runs in one transaction, so that "failed before commit" and "failed after commit" mean what they say.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Body = dict[str, Any]

TABLES = """
create table if not exists objects (
    seq integer primary key autoincrement,
    kind text not null,
    id text not null unique,
    customer text,
    created integer not null,
    body text not null
);
create index if not exists objects_of_customer on objects (kind, customer, seq);
create table if not exists replies (
    key text primary key,
    endpoint text not null,
    fingerprint text not null,
    request_id text not null,
    status integer not null,
    body text not null,
    created integer not null
);
create table if not exists deliveries (
    seq integer primary key autoincrement,
    event text not null,
    endpoint text not null,
    due_at integer,
    attempts integer not null default 0,
    state text not null default 'waiting',
    detail text not null default ''
);
create index if not exists deliveries_waiting on deliveries (state, due_at);
create table if not exists facts (name text primary key, value text not null);
"""


class State:
    """Objects by id, and the connection that the other tables are reached through.

    One connection, one lock: calls run one after another. ``path`` None keeps everything in memory.
    """

    def __init__(self, path: str | None = None) -> None:
        self.lock = threading.RLock()
        self.connection = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("pragma journal_mode = wal")
        self.connection.executescript(TABLES)

    def close(self) -> None:
        with self.lock:
            self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; an exception rolls back."""
        with self.lock:
            self.connection.execute("begin")
            try:
                yield
            except BaseException:
                self.connection.execute("rollback")
                raise
            self.connection.execute("commit")

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        with self.lock:
            return self.connection.execute(query, values).fetchall()

    def put(self, body: Body) -> Body:
        """Write an object under its own ``id``; its ``object`` is its kind."""
        with self.lock:
            self.connection.execute(
                "insert into objects (kind, id, customer, created, body) values (?, ?, ?, ?, ?)"
                " on conflict (id) do update set body = excluded.body, customer = excluded.customer",
                (
                    body["object"],
                    body["id"],
                    body.get("customer"),
                    body.get("created") or body.get("date") or 0,
                    json.dumps(body),
                ),
            )
        return body

    def get(self, kind: str, identity: str) -> Body | None:
        found = self.rows("select body from objects where kind = ? and id = ?", kind, identity)
        return json.loads(found[0]["body"]) if found else None

    def remove(self, identity: str) -> None:
        with self.lock:
            self.connection.execute("delete from objects where id = ?", (identity,))

    def all_of(self, kind: str, **equal: Any) -> list[Body]:
        """The objects of a kind whose fields equal the given values, newest first."""
        query, values = "select body from objects where kind = ?", [kind]
        for name, value in equal.items():
            query += " and customer = ?" if name == "customer" else f" and json_extract(body, '$.{name}') = ?"
            values.append(value)
        return [json.loads(row["body"]) for row in self.rows(query + " order by seq desc", *values)]

    def page_of(
        self,
        kind: str,
        where: list[tuple[str, Any]],
        *,
        after: str | None = None,
        before: str | None = None,
        limit: int,
    ) -> list[Body]:
        """Up to ``limit`` objects, newest first: those older than ``after``, or newer than ``before``.

        ``where`` holds conditions in SQL, written by the double and never by a client, each with its value.
        """
        query, values = "select body from objects where kind = ?", [kind]
        for condition, value in where:
            query += f" and {condition}"
            values.append(value)
        for cursor, sign in ((after, "<"), (before, ">")):
            if cursor is not None:
                query += f" and seq {sign} (select seq from objects where id = ?)"
                values.append(cursor)
        nearest = "asc" if before is not None else "desc"
        found = self.rows(f"{query} order by seq {nearest} limit {int(limit)}", *values)
        bodies = [json.loads(row["body"]) for row in found]
        return bodies[::-1] if before is not None else bodies

    def next_number(self, name: str) -> int:
        """1, 2, 3, … under a name, without gaps where the transaction commits."""
        number = int(self.fact(f"number:{name}", "0")) + 1
        self.set_fact(f"number:{name}", str(number))
        return number

    def fact(self, name: str, default: str) -> str:
        found = self.rows("select value from facts where name = ?", name)
        return str(found[0]["value"]) if found else default

    def set_fact(self, name: str, value: str) -> None:
        with self.lock:
            self.connection.execute(
                "insert into facts values (?, ?) on conflict (name) do update set value = excluded.value",
                (name, value),
            )
