"""Questions over many events get so long to be answered, and are told to be asked more narrowly after that."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction
from psycopg.errors import QueryCanceled

from core import limits
from core.problems import Problem


class TooBroad(Problem):
    """The span holds more than can be read while somebody waits."""

    status = 422
    code = "too_broad"
    title = "The question asks for too much at once"


@contextmanager
def bounded_reading(seconds: int = limits.QUESTION_SECONDS_MAX) -> Iterator[None]:
    """Reads in here, all of one snapshot's time, end after so many seconds each. Raises ``TooBroad``."""
    try:
        with transaction.atomic():
            before = _timeout(f"{seconds}s")
            yield
            _timeout(before)
    except DatabaseError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooBroad(
                f"It was not answered within {seconds} seconds. Narrow the span, name a customer, or group by less."
            ) from error
        raise


def _timeout(value: str) -> str:
    """Set this transaction's statement timeout; answers what it was before."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        before: str = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [value])
    return before
