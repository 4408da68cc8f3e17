"""Settings of the test suite: servers of its own in a folder of its own, gone when the run ends."""

import os
import tempfile

# The controller of a parallel run makes the folder; its workers are handed the same one.
if "BURNLINE_TEST_VAR" not in os.environ:
    os.environ["BURNLINE_TEST_VAR"] = tempfile.mkdtemp(prefix="burnline-test-")
os.environ["BURNLINE_VAR"] = os.environ["BURNLINE_TEST_VAR"]
os.environ.setdefault("BURNLINE_SANDBOX", "1")
os.environ.setdefault("BURNLINE_LOG_LEVEL", "WARNING")
for outside in ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "BURNLINE_URL", "BURNLINE_PORT", "EMAIL_URL"):
    os.environ.pop(outside, None)

from config.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CACHES["default"]["KEY_FUNCTION"] = "tests.cache_keys.key_of_this_test"  # noqa: F405
WHITENOISE_AUTOREFRESH = True
CELERY_TASK_ALWAYS_EAGER = False
