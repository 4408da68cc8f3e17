"""A world of many events, made by the database itself: customers of which few have most of the use, and what rating left."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection

CUSTOMERS = 1_000
CHUNK = 1_000_000
DAYS = 25
MODELS = "ARRAY['claude-opus-4-5','claude-haiku-4-5','gpt-5','gpt-5-mini','gemini-2.5-pro']"
FEATURES = "ARRAY['chat','search','agent','summary']"

EVENTS = f"""
WITH made AS (
    SELECT g, c.id AS customer_id, %(start)s::timestamptz + random() * interval '{DAYS} days' AS at,
        ({MODELS})[1 + (g %% 5)] AS model, ({FEATURES})[1 + (g / 5 %% 4)] AS feature
    FROM (SELECT g, 1 + floor({CUSTOMERS} * power(random(), 3))::int AS n
          FROM generate_series(%(first)s::bigint, %(last)s::bigint) g) drawn JOIN bench_customer c ON c.n = drawn.n),
placed AS (SELECT made.*, row_number() OVER (PARTITION BY customer_id ORDER BY g) AS rank FROM made)
INSERT INTO metering_event (seq, customer_id, event_id, source, type, occurred_at, recorded_at, provider, model, context,
    usage, quantity, status, latency_ms, hold, run_id, run, properties, mapping_version, content_hash, door, cost, cost_rows,
    unpriced, price_book)
SELECT coalesce(s.last_seq, 0) + p.rank, p.customer_id, uuidv7()::text, 'api', 'llm.call', p.at, p.at,
    'anthropic', p.model, 'standard',
    jsonb_build_object('input', (900 + g %% 700)::text, 'output', (50 + g %% 300)::text), 1, 'ok', 812,
    '', 'run-' || g / 20, jsonb_build_object('step', g %% 20),
    jsonb_build_object('feature', feature, 'user', 'u' || g %% 500, 'session', 's' || g / 10),
    '', decode(md5(g::text), 'hex'), 'native', 0.0123, '{{}}', false, 1
FROM placed p LEFT JOIN metering_eventstream s ON s.customer_id = p.customer_id
"""
STREAMS = """
INSERT INTO metering_eventstream AS s (customer_id, last_seq)
SELECT customer_id, max(seq) FROM metering_event GROUP BY 1
ON CONFLICT (customer_id) DO UPDATE SET last_seq = excluded.last_seq
"""
POSITIONS = """
INSERT INTO billing_ratingposition AS p (customer_id, rated_seq, rated_at)
SELECT customer_id, last_seq, %(now)s FROM metering_eventstream
ON CONFLICT (customer_id) DO UPDATE SET rated_seq = excluded.rated_seq, rated_at = excluded.rated_at
"""
# All calls by model and feature, then each charge of each customer's subscription, hour by hour.
CALLS = """
INSERT INTO metering_usagebucket (customer_id, scope_id, series, hour, dimensions_hash, dimensions, events, quantity, amount,
    cost, lift, credits, covered, prepaid)
SELECT customer_id, '00000000-0000-0000-0000-000000000000'::uuid, '*calls', hour, decode(md5(d::text), 'hex'), d, n, tokens,
    tokens * 0.00001, cost, 0, 0, 0, 0
FROM (SELECT customer_id, date_trunc('hour', occurred_at) AS hour, jsonb_build_object('feature', properties ->> 'feature',
        'model', model, 'status', 'ok', 'type', type) AS d, count(*) AS n, sum(cost) AS cost,
        sum((usage ->> 'input')::numeric + (usage ->> 'output')::numeric) AS tokens
      FROM metering_event GROUP BY 1, 2, 3) hours
"""
CHARGES = """
INSERT INTO metering_usagebucket (customer_id, scope_id, series, hour, dimensions_hash, dimensions, events, quantity, amount,
    cost, lift, credits, covered, prepaid)
SELECT b.customer_id, g.id, c.series, b.hour, decode(md5('{}'), 'hex'), '{}', sum(b.events), sum(b.quantity), sum(b.amount),
    sum(b.cost), 0, 0, 0, 0
FROM metering_usagebucket b JOIN billing_subscriptionsegment g ON g.customer_id = b.customer_id
CROSS JOIN (VALUES ('in'), ('out'), ('*calls')) AS c (series)
WHERE b.series = '*calls' AND b.scope_id = '00000000-0000-0000-0000-000000000000' GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True)
class World:
    """When its time begins, what is now, and its customers' keys: the first has the most events by far."""

    start: datetime
    now: datetime
    keys: tuple[str, ...]


def make_world() -> World:
    """Customers with a subscription each, in the middle of a period; no events yet."""
    from benchmarks.rating import USAGE, make_meters
    from billing.recounts.recounting import start_and_count
    from billing.subscriptions.lifecycle import NewSubscription
    from customers.customers import create_customer
    from pricing.plan_terms import read_terms
    from pricing.plans import create_plan, publish_version

    now = datetime.now(UTC)
    start = (now - timedelta(days=DAYS + 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    make_meters()
    body = {"key": "scale", "name": "Scale", "fee": "0", "charges": USAGE}
    version = publish_version(create_plan(read_terms(body), now=start), now=start)
    keys = tuple(f"scale-{n}" for n in range(1, CUSTOMERS + 1))
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_customer (n int PRIMARY KEY, id bigint NOT NULL)")
        for n, key in enumerate(keys, 1):
            customer = create_customer(key=key, name=key, now=start)
            start_and_count(NewSubscription(customer, version, key=key, starts_at=start), now=start)
            cursor.execute("INSERT INTO bench_customer VALUES (%s, %s)", [n, customer.id])
    return World(start, now, keys)


def fill(world: World, events: int) -> None:
    """Bring the table up to so many events, and the sums of all of them up to date."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(
            "SELECT count(*) FROM metering_event WHERE source = 'api' AND customer_id IN (SELECT id FROM bench_customer)"
        )
        for first in range(cursor.fetchone()[0] + 1, events + 1, CHUNK):
            cursor.execute(
                EVENTS, {"start": world.start, "first": first, "last": min(first + CHUNK - 1, events)}
            )
            cursor.execute(STREAMS)
        cursor.execute(POSITIONS, {"now": world.now})
        cursor.execute("DELETE FROM metering_usagebucket")
        cursor.execute(CALLS)
        cursor.execute(CHARGES)
        cursor.execute("VACUUM ANALYZE metering_event")
        cursor.execute("VACUUM ANALYZE metering_usagebucket")


def table_sizes() -> list[tuple[str, float]]:
    """The table of events, each of its indexes, and the hourly sums, in MiB."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT 'events' AS name, pg_table_size('metering_event') / 1048576.0
            UNION ALL SELECT indexrelid::regclass::text, pg_relation_size(indexrelid) / 1048576.0
                FROM pg_index WHERE indrelid = 'metering_event'::regclass
            UNION ALL SELECT 'hourly sums, with indexes', pg_total_relation_size('metering_usagebucket') / 1048576.0
            """
        )
        return [(name, float(mib)) for name, mib in cursor.fetchall()]
