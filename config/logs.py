"""One log line per fact, as JSON for machines or as text for people; Django's own records included."""

import logging
import logging.config
import sys
from typing import Any

import structlog

SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


# One list for good: a logger keeps the one it first wrote by, and whoever listens in changes the one that is configured.
PROCESSORS: list[Any] = [
    structlog.stdlib.filter_by_level,
    *SHARED_PROCESSORS,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


def configure_logs(wanted: dict[str, str]) -> None:
    """Send structlog and the standard library's records to stderr in one ``format``, `text` or `json`, from a ``level`` on.

    Django calls it with the setting `LOGGING` as it starts, so that reading the settings changes nothing by itself.
    """
    if wanted["format"] == "json":
        ends: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        ends = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": SHARED_PROCESSORS,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ends],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": wanted["level"]},
            "loggers": {
                # Django gives these two handlers of their own before it calls us: a line to the root is enough.
                "django": {"level": "NOTSET", "handlers": []},
                # The request log of our own middleware says it better.
                "django.server": {"level": "WARNING", "handlers": [], "propagate": True},
                "_granian": {"level": "WARNING"},
            },
        }
    )
