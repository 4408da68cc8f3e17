"""Django's settings. Every variable that is read from the environment is listed in docs/settings.md."""

from pathlib import Path
from urllib.parse import unquote

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.api_schema import SPECTACULAR_SETTINGS  # noqa: F401
from config.environment import database_from_url, process_environment, secret_key
from config.places import Places

ROOT = Path(__file__).resolve().parent.parent
environment = process_environment()

VAR = environment.folder("BURNLINE_VAR", ROOT / "var")
PLACES = Places(VAR)
PORT = environment.integer("BURNLINE_PORT", 8000, least=1, most=65535)
DEMO = environment.flag("BURNLINE_DEMO", default=True)
SANDBOX = environment.flag("BURNLINE_SANDBOX", default=False)
DEBUG = environment.flag("BURNLINE_DEBUG", default=False)
SECRET_KEY = secret_key(environment, VAR)

HOST = environment.text("BURNLINE_HOST", "127.0.0.1")
WEB_WORKERS = environment.integer("BURNLINE_WEB_WORKERS", 2, least=1, most=64)
WEB_THREADS = environment.integer("BURNLINE_WEB_THREADS", 32, least=1, most=512)
JOB_WORKERS = environment.integer("BURNLINE_JOB_WORKERS", 2, least=1, most=64)
SWEEPS = environment.integer("BURNLINE_SWEEPS", JOB_WORKERS, least=1, most=1_000)
METRICS_TOKEN = environment.text("BURNLINE_METRICS_TOKEN")

PUBLIC_URL = environment.url("BURNLINE_URL", ("http", "https"), default=f"http://localhost:{PORT}")
assert PUBLIC_URL is not None
if not PUBLIC_URL.hostname or PUBLIC_URL.path.strip("/"):
    raise ImproperlyConfigured(
        "BURNLINE_URL must be a scheme and a host, such as https://billing.example.com."
    )
BASE_URL = f"{PUBLIC_URL.scheme}://{PUBLIC_URL.netloc}"
HTTPS = PUBLIC_URL.scheme == "https"
LOCAL = PUBLIC_URL.hostname in {"localhost", "127.0.0.1", "::1"}

# --- Who may ask ------------------------------------------------------------------------------------------

# This machine's own names are always answered: health checks come by them.
ALLOWED_HOSTS = [
    *("localhost", ".localhost", "127.0.0.1", "[::1]"),
    *environment.words("BURNLINE_HOSTS", (PUBLIC_URL.hostname,)),
]
CSRF_TRUSTED_ORIGINS = [BASE_URL]
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if environment.flag("BURNLINE_BEHIND_PROXY", default=False) else None
)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "burnline_session"
CSRF_COOKIE_NAME = "burnline_csrf"
CSRF_USE_SESSIONS = False

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}

# --- The house --------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "core",
    "customers",
    "metering",
    "pricing",
    "billing",
    "console",
    "portal",
    "config.apps.HouseConfig",
]

MIDDLEWARE = [
    "config.requests.RequestLogMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.content_policy.ContentPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "core.http.forms.FormMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT = PLACES.static
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static_files.HashedStaticFiles"},
}
WHITENOISE_USE_FINDERS = DEBUG

LANGUAGE_CODE = "en-us"
USE_I18N = False
TIME_ZONE = "UTC"
USE_TZ = True

# --- Truth: Postgres --------------------------------------------------------------------------------------

DATABASE_URL = environment.url("DATABASE_URL", ("postgres", "postgresql"))
EMBEDDED_POSTGRES = DATABASE_URL is None
STATEMENT_TIMEOUT_SECONDS = environment.integer("BURNLINE_STATEMENT_TIMEOUT", 60, least=1, most=86_400)
DATABASE_CONNECTIONS_MAX = environment.integer("BURNLINE_DATABASE_CONNECTIONS", 20, least=2, most=500)

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **(database_from_url(DATABASE_URL) if DATABASE_URL else PLACES.database()),
        "CONN_MAX_AGE": 0,  # connections live in the pool instead
        # One empty round trip as a connection leaves the pool: no request meets one that a restart killed.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "options": " ".join(
                [
                    "-c synchronous_commit=on",
                    "-c lock_timeout=3s",
                    f"-c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s",
                    "-c idle_in_transaction_session_timeout=60s",
                ]
            ),
            "pool": {
                "min_size": 1,
                "max_size": DATABASE_CONNECTIONS_MAX,
                "timeout": 10,
                "max_idle": 120,
            },
        },
    }
}

# --- What may be lost: Redis (Valkey) ---------------------------------------------------------------------

REDIS = environment.url("REDIS_URL", ("redis", "rediss"))
EMBEDDED_VALKEY = REDIS is None
REDIS_URL = REDIS.geturl() if REDIS else PLACES.valkey_url
CACHES = {
    "default": {
        "BACKEND": "config.cache.LossyRedisCache",
        "LOCATION": REDIS_URL,
        # A cache that is away must cost next to nothing: no retries, short waits.
        "OPTIONS": {"retry": Retry(NoBackoff(), 0), "socket_timeout": 0.5, "socket_connect_timeout": 0.2},
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# A task is only a nudge toward rows that are due, so a message may be lost, doubled or late. See docs/adr/.
CELERY_BROKER_URL = REDIS_URL if REDIS else PLACES.celery_broker_url
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    # Who nudges must not wait for a Redis that is away: one try.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TASK_PUBLISH_RETRY = False  # the sweep finds what a lost nudge did not
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 2000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

# A sweep that finds no process free before the next one is sent is not needed: it does not wait in line.
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "core.sweep", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-unmatched": {"task": "metering.sweep_unmatched", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-unpriced": {"task": "billing.sweep_unpriced", "schedule": 60.0, "options": {"expires": 60}},
    "sweep-rating": {"task": "billing.sweep_rating", "schedule": 30.0, "options": {"expires": 30}},
    "sweep-removals": {"task": "billing.sweep_removals", "schedule": 3600.0},
    "forget-arrivals": {"task": "metering.forget_arrivals", "schedule": 600.0},
    "sync-prices": {"task": "pricing.sync_prices", "schedule": crontab(hour="4", minute="17")},
}

# --- Provider prices --------------------------------------------------------------------------------------

# Read once a day beside what is packaged; what looks wrong in them waits for a person.
PRICE_SYNC_URLS = environment.addresses(
    "PRICE_SYNC_URLS", ("litellm", "openrouter", "bedrock", "csv", "json")
)

# --- How long single events are kept ----------------------------------------------------------------------

# 0 is for ever.
KEEP_EVENTS_MONTHS = environment.integer("BURNLINE_KEEP_EVENTS_MONTHS", 0, least=0, most=1_200)

# --- Events that could not be stored -------------------------------------------------------------------

REJECTED_DAYS = environment.integer("BURNLINE_REJECTED_DAYS", 30, least=1, most=400)
UNMATCHED_DAYS = environment.integer("BURNLINE_UNMATCHED_DAYS", 400, least=1, most=3650)

# --- Invoices ---------------------------------------------------------------------------------------------

COMPANY_NAME = environment.text("BURNLINE_COMPANY", "Your company")
INVOICE_GRACE_HOURS = environment.integer("BURNLINE_INVOICE_GRACE_HOURS", 1, least=0, most=24 * 28)

# --- Sign-in ----------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "customers.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"
ACCOUNT_ADAPTER = "config.sign_in.SignInAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PREVENT_ENUMERATION = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "Burnline"
# Accounts are given out, nobody opens one under another's address: a second factor need not wait for mail to arrive.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = LOCAL and not HTTPS

EMAIL = environment.url("EMAIL_URL", ("smtp", "smtps"))
if EMAIL:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = EMAIL.hostname, EMAIL.port or (465 if EMAIL.scheme == "smtps" else 587)
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(EMAIL.username or ""), unquote(EMAIL.password or "")
    EMAIL_USE_SSL, EMAIL_USE_TLS = EMAIL.scheme == "smtps", EMAIL.scheme == "smtp" and not LOCAL
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = PLACES.mail
DEFAULT_FROM_EMAIL = environment.text("BURNLINE_EMAIL_FROM", f"Burnline <billing@{PUBLIC_URL.hostname}>")

# --- API --------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["core.http.parsers.StrictJsonParser"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["customers.authentication.BearerKey"],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    "EXCEPTION_HANDLER": "core.http.handler.problem_response",
    "URL_FORMAT_OVERRIDE": None,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "core.http.uploads.StaffUploads",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# --- Stripe -----------------------------------------------------------------------------------------------

STRIPE_API_KEY = environment.text("STRIPE_API_KEY")
STRIPE_WEBHOOK_SECRET = environment.text("STRIPE_WEBHOOK_SECRET")
STRIPE_API = environment.url("STRIPE_API_BASE", ("http", "https"), default="https://api.stripe.com")
assert STRIPE_API is not None
STRIPE_API_BASE = STRIPE_API.geturl().rstrip("/")
if STRIPE_API_KEY and not STRIPE_API_KEY.startswith(("sk_", "rk_")):
    raise ImproperlyConfigured("STRIPE_API_KEY must be a secret or restricted key: sk_… or rk_….")
if STRIPE_WEBHOOK_SECRET and not STRIPE_WEBHOOK_SECRET.startswith("whsec_"):
    raise ImproperlyConfigured("STRIPE_WEBHOOK_SECRET must be an endpoint's signing secret: whsec_….")

# --- Logs -------------------------------------------------------------------------------------------------

LOGGING_CONFIG = "config.logs.configure_logs"
LOGGING = {
    "format": environment.choice("BURNLINE_LOG_FORMAT", "text" if LOCAL else "json", ("text", "json")),
    "level": environment.choice("BURNLINE_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
}
