"""The web's entry point, served by granian."""

import os

from django.core.wsgi import get_wsgi_application

from config.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
if "BURNLINE_DIE_WITH_PARENT" in os.environ:
    # Should granian's main process be killed, its workers must not keep the port.
    die_with_parent()

django = get_wsgi_application()

from core.http.received_body import letting_go_of_bodies  # noqa: E402  # once Django is set up
from metering.arrivals import write_arrivals_by_themselves  # noqa: E402

application = letting_go_of_bodies(django)
write_arrivals_by_themselves()
