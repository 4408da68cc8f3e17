#!/usr/bin/env python
"""Burnline's command line: Django's commands and our own."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    from config.on_demand import servers_for
    from config.processes import StartFailure

    try:
        with servers_for(sys.argv):
            execute_from_command_line(sys.argv)
    except StartFailure as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
