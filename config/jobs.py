"""The job processes: `python -m config.jobs worker` or `beat` run one alone, `make up` starts both."""

import os
import sys
from pathlib import Path

CELERY = ("-m", "celery", "-A", "config.celery:app", "--quiet")


def worker_command() -> list[str | Path]:
    """Does what is due. Each process takes one message at a time, for nudges weigh unequally."""
    from django.conf import settings

    return [
        *(Path(sys.executable), *CELERY, "worker", f"--loglevel={settings.LOGGING['level']}"),
        *(f"--concurrency={settings.JOB_WORKERS}", "--without-gossip", "--without-mingle", "-Ofair"),
    ]


def beat_command() -> list[str | Path]:
    """Nudges on time. It keeps no memory: every job that it names is a sweep over rows that are due."""
    from django.conf import settings

    return [
        *(Path(sys.executable), *CELERY, "beat", f"--loglevel={settings.LOGGING['level']}"),
        *("--scheduler=celery.beat:Scheduler", "--pidfile="),
    ]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    commands = {"worker": worker_command, "beat": beat_command}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit("Say which: python -m config.jobs worker, or python -m config.jobs beat.")
    command = [str(part) for part in commands[sys.argv[1]]()]
    os.execv(command[0], command)
