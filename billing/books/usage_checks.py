"""Usage: buckets that equal their events, events that have a customer, and no number that is none."""

from collections.abc import Iterator

from django.db import connection

from billing.books.breach import Breach, rows
from billing.books.rerating import raw_reader
from billing.models import RatingPosition, Subscription
from billing.recounts.richer_reports import REPLACING_DUE
from billing.statements.buckets import bucket_usage
from billing.statements.statement import stretches_in
from core.periods import Period
from pricing.engine.usage import merge

ADDITIVE = ("quantity", "events", "cost", "credits", "covered")


def buckets_equal_events() -> Iterator[Breach]:
    """The open period of every subscription: each charge's buckets against the raw events rated so far."""
    positions = dict(RatingPosition.objects.values_list("customer_id", "rated_seq"))
    subscriptions = Subscription.objects.filter(closed_at=None).select_related("customer")
    for subscription in subscriptions.order_by("customer_id", "id"):
        period = Period(subscription.period_start, subscription.period_end)
        read = raw_reader(up_to_seq=positions.get(subscription.customer_id, 0))
        for stretch in stretches_in(subscription, period):
            for metered in stretch.charges:
                bucketed = merge(bucket_usage(stretch, metered, period))
                again = merge(read(stretch, metered, period))
                for name in ADDITIVE:
                    told = [getattr(usage, name) for usage in bucketed if any_use(usage)]
                    found = [getattr(usage, name) for usage in again if any_use(usage)]
                    if metered.aggregation in ("max", "latest", "unique") and name != "quantity":
                        continue
                    if told != found:
                        detail = f"buckets of {metered.charge.key} have {name} {told}, the events {found}"
                        yield Breach("I5", subscription.customer_id, detail)


def any_use(usage: object) -> bool:
    """Whether a sum holds anything at all."""
    return any(getattr(usage, name) for name in ADDITIVE)


def calls_equal_events() -> Iterator[Breach]:
    """The statistics of all calls, in one comparison a customer: number and cost, of the events kept and those removed."""
    found = rows(
        """
        SELECT p.customer_id, b.events, e.events + r.events, b.cost, e.cost + r.cost FROM billing_ratingposition p
        LEFT JOIN LATERAL (SELECT coalesce(sum(events), 0) AS events, coalesce(sum(cost), 0) AS cost
            FROM metering_usagebucket u WHERE u.customer_id = p.customer_id AND u.series = '*calls'
            AND u.scope_id = '00000000-0000-0000-0000-000000000000') b ON true
        LEFT JOIN LATERAL (SELECT count(*) AS events, coalesce(sum(cost), 0) AS cost FROM metering_event v
            WHERE v.customer_id = p.customer_id AND v.seq <= p.rated_seq) e ON true
        LEFT JOIN LATERAL (SELECT coalesce(sum(events), 0) AS events, coalesce(sum(cost), 0) AS cost
            FROM metering_eventremoval x WHERE x.customer_id = p.customer_id) r ON true
        WHERE b.events <> e.events + r.events OR b.cost <> e.cost + r.cost ORDER BY 1
        """
    )
    for customer_id, bucketed, stored, bucket_cost, event_cost in found:
        detail = f"buckets hold {bucketed} calls at {bucket_cost}, the events are {stored} at {event_cost}"
        yield Breach("I5", customer_id, detail)


def withdrawn_events_count_nothing() -> Iterator[Breach]:
    """No draw stands of an event that was taken back, unless an event of its id is stored again."""
    found = rows(
        """
        SELECT w.customer_id, w.event_id, d.credits FROM metering_withdrawnevent w
        JOIN LATERAL (SELECT sum(c.credits) AS credits FROM billing_creditdraw c WHERE c.customer_id = w.customer_id
            AND c.seq = w.seq AND c.event_id = w.event_id AND c.source = w.source) d ON d.credits <> 0
        WHERE NOT EXISTS (SELECT 1 FROM metering_event e WHERE e.customer_id = w.customer_id AND e.seq = w.seq
            AND e.event_id = w.event_id AND e.source = w.source) ORDER BY 1, 2
        """
    )
    for customer_id, event_id, credits in found:
        yield Breach(
            "I5", customer_id, f"event {event_id} was taken back, its draws of {credits} credits stand"
        )


def richer_reports_are_due() -> Iterator[Breach]:
    """No report waits to take another's place without due work that will see to it."""
    found = rows(
        """
        SELECT r.customer_id, r.response_id FROM metering_richerreport r WHERE NOT EXISTS (
            SELECT 1 FROM core_duework w WHERE w.customer_id = r.customer_id AND w.kind = %s) ORDER BY 1, 2
        """,
        [REPLACING_DUE],
    )
    for customer_id, response_id in found:
        yield Breach("I5", customer_id, f"nothing is due to count call {response_id} by its richer report")


def events_have_a_customer() -> Iterator[Breach]:
    found = rows(
        """
        SELECT s.customer_id FROM metering_eventstream s LEFT JOIN customers_customer c ON c.id = s.customer_id
        WHERE c.id IS NULL ORDER BY 1
        """
    )
    for (customer_id,) in found:
        yield Breach("I11", customer_id, "events are stored for a customer that does not exist")


def rating_never_ahead() -> Iterator[Breach]:
    found = rows(
        """
        SELECT p.customer_id, p.rated_seq, s.last_seq FROM billing_ratingposition p
        LEFT JOIN metering_eventstream s ON s.customer_id = p.customer_id
        WHERE p.rated_seq > coalesce(s.last_seq, 0) ORDER BY 1
        """
    )
    for customer_id, rated_seq, last_seq in found:
        yield Breach("I5", customer_id, f"rating stands at {rated_seq}, the events end at {last_seq}")


def every_number_is_finite() -> Iterator[Breach]:
    """No NaN and no infinity in any numeric column of ours."""
    columns = rows(
        """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = current_schema() AND data_type = 'numeric'
        AND (table_name LIKE 'billing\\_%' OR table_name LIKE 'metering\\_%' OR table_name LIKE 'pricing\\_%'
             OR table_name LIKE 'customers\\_%') ORDER BY 1, 2
        """
    )
    with connection.cursor() as cursor:
        for table, column in columns:
            name = connection.ops.quote_name
            cursor.execute(
                f"SELECT count(*) FROM {name(table)} WHERE {name(column)} IN ('NaN', 'Infinity', '-Infinity')"
            )
            count = cursor.fetchone()[0]
            if count:
                yield Breach("I14", 0, f"{table}.{column} has {count} values that are no numbers")
