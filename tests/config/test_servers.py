"""The embedded servers: they start, answer, stop, and clean up after a death."""

import os
import signal
from pathlib import Path

import psutil
import psycopg
import pytest

from config.places import Places
from config.servers import Servers, owned, start_servers


@pytest.mark.django_db
def test_the_run_has_a_database() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
