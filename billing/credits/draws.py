"""Credit draws as lines of COPY: an event may burn several, so they are the most rows that rating writes."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from core.copying import NULL, copy_into, copy_line
from core.ids import new_id_texts

COLUMNS = (
    *(
        "customer_id",
        "id",
        "event_id",
        "source",
        "seq",
        "n",
        "grant_id",
        "subscription_id",
        "burn_table_version_id",
    ),
    *("burn_row", "token_kind", "quantity", "credits", "transaction_id", "occurred_at", "recorded_at"),
)
_COPY = copy_into("billing_creditdraw", COLUMNS)


class Draw(NamedTuple):
    """Credits that one event burns from one grant, or as overage; ``billing.models.CreditDraw`` says what each field is."""

    event_id: str
    source: str
    seq: int
    n: int
    grant_id: UUID | None
    subscription_id: UUID | None
    burn_table_version_id: int
    burn_row: str
    token_kind: str
    quantity: Decimal
    credits: Decimal
    occurred_at: datetime


def write_draws(customer_id: int, draws: Sequence[Draw], transaction_id: UUID, *, now: datetime) -> None:
    """Write the draws of one ledger transaction, in the caller's database transaction."""
    customer, recorded_at = str(customer_id), now.isoformat()
    lines = [
        _line(customer, id_, draw, str(transaction_id), recorded_at)
        for id_, draw in zip(new_id_texts(len(draws)), draws, strict=True)
    ]
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write("".join(lines))


def _line(customer: str, id_: str, draw: Draw, transaction_id: str, recorded_at: str) -> str:
    fields = (
        customer,
        id_,
        draw.event_id,
        draw.source,
        str(draw.seq),
        str(draw.n),
        NULL if draw.grant_id is None else str(draw.grant_id),
        NULL if draw.subscription_id is None else str(draw.subscription_id),
        str(draw.burn_table_version_id),
        draw.burn_row,
        draw.token_kind,
        format(draw.quantity, "f"),
        format(draw.credits, "f"),
        transaction_id,
        draw.occurred_at.isoformat(),
        recorded_at,
    )
    return copy_line(fields) + "\n"
