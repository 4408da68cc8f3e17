"""The web process: `python -m config.web` serves it alone, `make up` starts it with the same arguments."""

import os
import shutil
import sys
from pathlib import Path


def web_command() -> list[str | Path]:
    """granian with Burnline's WSGI application, as the settings say."""
    from django.conf import settings

    from core import limits

    return [
        *(Path(sys.executable), "-m", "granian", "--interface", "wsgi", "config.wsgi:application"),
        *("--host", settings.HOST, "--port", str(settings.PORT)),
        *("--workers", str(settings.WEB_WORKERS), "--blocking-threads", str(settings.WEB_THREADS)),
        # Connections, not requests: those that idle between two requests count as well, so many more than threads. What
        # they ask for at once waits for a thread in order of arrival.
        *("--backpressure", str(limits.WEB_CONNECTIONS_MAX), "--backlog", "2048"),
        *("--respawn-failed-workers", "--workers-kill-timeout", "10", "--no-ws", "--log-level", "warning"),
    ]


def memory_environment() -> dict[str, str]:
    """What has the C library hand large buffers back to the system at once, instead of keeping them apart by thread.

    A body and what it decodes to are megabytes; with an arena for each thread, each would keep its own largest ones.
    """
    wanted = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def metrics_environment() -> dict[str, str]:
    """What lets several processes count into one `/metrics`, with the counters of earlier runs gone."""
    from django.conf import settings

    folder = settings.PLACES.metrics
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    command = [str(part) for part in web_command()]
    os.execve(command[0], command, os.environ | metrics_environment() | memory_environment())
