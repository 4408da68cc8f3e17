"""``python -m tests.faults.forge``: a process that has the product loaded, and forks one that lives through a month.

A line of JSON in, ``{"customer", "failpoint", "ending"}``; a line out: the exit code, negative for a signal. Each run is a
process of its own with connections of its own, and dies of a real SIGKILL; only the seconds of importing are saved.
"""

import json
import os
import sys

import django


def run(order: dict[str, str]) -> int:
    child = os.fork()
    if child == 0:
        from core import failpoints
        from tests.faults.month import live_through

        failpoints._armed.update(failpoints._read(order["failpoint"]))
        try:
            live_through(order["customer"], ending=order["ending"])
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    django.setup()
    from django.urls import get_resolver

    assert get_resolver().url_patterns  # loads every room
    print("ready", flush=True)
    for line in sys.stdin:
        print(run(json.loads(line)), flush=True)
