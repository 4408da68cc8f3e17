"""Celery: tasks are nudges. What must happen is a row that is due; a lost message costs a minute."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("burnline")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
