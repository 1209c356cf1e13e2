"""Settings of the service, read from the environment; refuses to start when they are unsafe.

deploy/environment.example lists every variable. Nothing secret has a default, except in
development mode (``TOUCHSTONE_DEVELOPMENT=1``, which the demo and the tests set).
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from evaluator.contract import DEVICE_PATTERN
from evaluator.runtimes.definitions import known_definitions
from evaluator.runtimes.own_names import ALL_OWN
from leaderboard.lib.safe_start import public_hosts, weakness_of_hosts, weakness_of_key

BASE_DIR = Path(__file__).resolve().parent.parent


def _flag(name: str, default: str = "0") -> bool:
    value = os.environ.get(name, default).lower()
    if value not in {"0", "1", "true", "false", "yes", "no", ""}:
        raise ImproperlyConfigured(f"{name}={value!r} must be 1 or 0")
    return value in {"1", "true", "yes"}


def _whole_number(name: str, default: int) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdigit():
        raise ImproperlyConfigured(f"{name}={value!r} must be a whole number")
    return int(value)


def _listed(name: str) -> list[str]:
    return [text.strip() for text in os.environ.get(name, "").split(",") if text.strip()]


def _ports(name: str) -> list[int]:
    texts = _listed(name)
    if any(not text.isdecimal() or not 0 < int(text) < 65536 for text in texts):
        raise ImproperlyConfigured(f"{name} must be ports, parted by commas: 8443,9443")
    return [int(text) for text in texts]


def _rate(name: str, default: str) -> str:
    value = os.environ.get(name, default)
    if not re.fullmatch(r"[1-9][0-9]{0,6}/([1-9][0-9]{0,3})?(s|sec|min|hour|day)", value):
        raise ImproperlyConfigured(f"{name}={value!r} must read like 20/min or 100/15min")
    return value


def _required(name: str, hint: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"Set the environment variable {name}: {hint}")
    return value


DEVELOPMENT = _flag("TOUCHSTONE_DEVELOPMENT")
DEBUG = _flag("TOUCHSTONE_DEBUG")
if DEBUG and not DEVELOPMENT:
    raise ImproperlyConfigured("TOUCHSTONE_DEBUG shows secrets to visitors; never in production")

NAMED_HOSTS = _listed("TOUCHSTONE_HOSTS")
if DEVELOPMENT and (strange := public_hosts(NAMED_HOSTS)):
    raise ImproperlyConfigured(
        f"TOUCHSTONE_DEVELOPMENT is for one machine alone, and TOUCHSTONE_HOSTS names "
        f"{', '.join(strange)}. Set TOUCHSTONE_DEVELOPMENT=0, or leave TOUCHSTONE_HOSTS out"
    )
if DEVELOPMENT:
    SECRET_KEY = os.environ.get("TOUCHSTONE_SECRET_KEY") or secrets.token_urlsafe(50)
    ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]
else:
    SECRET_KEY = _required("TOUCHSTONE_SECRET_KEY", "a long random text, kept secret")
    if weakness := weakness_of_key(SECRET_KEY):
        raise ImproperlyConfigured(f"TOUCHSTONE_SECRET_KEY can be guessed: {weakness}")
    _required("TOUCHSTONE_HOSTS", "the host names, separated by commas")
    if weakness := weakness_of_hosts(NAMED_HOSTS):
        raise ImproperlyConfigured(f"TOUCHSTONE_HOSTS: {weakness}")
    ALLOWED_HOSTS = NAMED_HOSTS
    SECURE_SSL_REDIRECT = _flag("TOUCHSTONE_SSL_REDIRECT", "1")
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31_536_000
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
#: Sessions, links and second factors made under these keys are still valid.
SECRET_KEY_FALLBACKS = [
    key for key in os.environ.get("TOUCHSTONE_OLD_SECRET_KEYS", "").split(",") if key
]
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("TOUCHSTONE_ORIGINS", "").split(",") if o]

#: Everything the service keeps outside the database: artifacts, reference sets, caches.
DATA_DIR = Path(os.environ.get("TOUCHSTONE_DATA_DIR", BASE_DIR / "var")).resolve()
#: A folder with copies of public reference data, laid out as in the registry; may be empty.
DATA_MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR", "")
#: Shown on the first page, and run for submissions that name neither benchmark nor tasks.
DEFAULT_BENCHMARK = os.environ.get("TOUCHSTONE_DEFAULT_BENCHMARK", "core-small")

#: Of the scores and records, as the operator grants it; empty where nothing is granted.
DATA_LICENCE = os.environ.get("TOUCHSTONE_DATA_LICENCE", "")


def _database() -> dict[str, object]:
    """What DATABASE_URL says; its value, which may hold a password, is in no message."""
    url = _required("DATABASE_URL", "postgresql://user:password@host/database")
    try:
        return dict(
            dj_database_url.parse(
                url,
                conn_max_age=_whole_number("TOUCHSTONE_DATABASE_CONNECTION_AGE_S", 60),
                conn_health_checks=True,
            )
        )
    except ValueError as error:
        raise ImproperlyConfigured(
            "DATABASE_URL must read like postgresql://user:password@host:5432/database, with "
            "letters such as @ / : # % of a password written as %40 %2F %3A %23 %25"
        ) from error


DATABASES = {"default": _database()}
if "postgresql" not in str(DATABASES["default"].get("ENGINE")):
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database")

INSTALLED_APPS = [
    "allauth.mfa",  # before us: its admin shows secrets, and ours takes its place
    "leaderboard",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.github",
    "allauth.socialaccount.providers.orcid",
    "leaderboard.admin_config.TouchstoneAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
]
MIDDLEWARE = [
    "leaderboard.api.problems.ApiProblems",  # outermost: sees what the others refuse
    "leaderboard.api.caching.ConditionalGet",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "leaderboard.middleware.Throttle",
    "leaderboard.middleware.SecurityHeaders",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "leaderboard.middleware.BoundedBodies",  # before whatever reads a form
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "leaderboard.middleware.StaffSecondFactor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "leaderboard.urls"
WSGI_APPLICATION = "leaderboard.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "leaderboard.services.accounts.passwords.NamesCountForNothing",
        "django.contrib.auth.password_validation.MinimumLengthValidator",
        "django.contrib.auth.password_validation.CommonPasswordValidator",
        "django.contrib.auth.password_validation.NumericPasswordValidator",
    )
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

# Sign-up, sign-in and passwords: see web/accounts/sign_in.py.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "leaderboard.web.accounts.sign_in.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_SIGNUP_REDIRECT_URL = "welcome"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_USERNAME_BLACKLIST = ["admin", "root", "staff", "touchstone", "me"]
ACCOUNT_RATE_LIMITS = False  # ours are shared by all processes
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "http" if DEVELOPMENT else "https"
#: Without a second factor, shown in the session, a member of the staff has no staff's rights.
STAFF_SECOND_FACTOR = _flag("TOUCHSTONE_STAFF_SECOND_FACTOR", "0" if DEVELOPMENT else "1")
MFA_ADAPTER = "leaderboard.web.accounts.second_factor.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "leaderboard.web.accounts.second_factor.CodeForm",
    "reauthenticate": "leaderboard.web.accounts.second_factor.CodeAgainForm",
}
MFA_TOTP_TOLERANCE = 1  # half minutes by which a telephone's clock may be wrong
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_ALLOW_UNVERIFIED_EMAIL = True  # who is let in without one may protect himself


def _provider(name: str) -> dict[str, object] | None:
    """The application registered at GitHub or ORCID, if there is one."""
    client_id = os.environ.get(f"TOUCHSTONE_{name}_ID", "")
    if not client_id:
        return None
    secret = _required(f"TOUCHSTONE_{name}_SECRET", f"beside TOUCHSTONE_{name}_ID")
    return {"APPS": [{"client_id": client_id, "secret": secret, "key": ""}]}


SOCIALACCOUNT_PROVIDERS = {
    name.lower(): found for name in ("GITHUB", "ORCID") if (found := _provider(name))
}
#: Where a form that begins a sign-in elsewhere leads the browser; see middleware.py.
SIGN_IN_ORIGINS = [
    {"github": "https://github.com", "orcid": "https://orcid.org"}[name]
    for name in SOCIALACCOUNT_PROVIDERS
]

# E-mail: by SMTP where a server is named; in development it is printed.
EMAIL_HOST = os.environ.get("TOUCHSTONE_EMAIL_HOST", "")
EMAIL_PORT = _whole_number("TOUCHSTONE_EMAIL_PORT", 587)
EMAIL_HOST_USER = os.environ.get("TOUCHSTONE_EMAIL_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("TOUCHSTONE_EMAIL_PASSWORD", "")
EMAIL_USE_TLS = _flag("TOUCHSTONE_EMAIL_TLS", "1")
EMAIL_TIMEOUT = 10
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
DEFAULT_FROM_EMAIL = os.environ.get("TOUCHSTONE_EMAIL_FROM", "touchstone@localhost")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
#: Nobody can sign up where no letter can be sent.
SIGN_UP_IS_OPEN = _flag("TOUCHSTONE_SIGN_UP", "1") and (DEVELOPMENT or bool(EMAIL_HOST))

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
S3_BUCKET = os.environ.get("TOUCHSTONE_S3_BUCKET", "")
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage",  # of the extra "s3"
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": os.environ.get("TOUCHSTONE_S3_ENDPOINT") or None,
            "default_acl": "private",
            "file_overwrite": True,  # names are hashes: the same name is the same bytes
        },
    }
    if S3_BUCKET
    else {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "blobs"},
    },
    "staticfiles": {
        "BACKEND": (
            "django.contrib.staticfiles.storage.StaticFilesStorage"
            if DEVELOPMENT
            else "whitenoise.storage.CompressedManifestStaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = DEVELOPMENT
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20  # request bodies that are not files

#: Copies of the bucket's files that a machine keeps; those in use may be more.
BLOB_CACHE_BYTES = _whole_number("TOUCHSTONE_BLOB_CACHE_GIB", 50) * 2**30
#: The largest artifact that one request may carry.
MAX_ARTIFACT_BYTES = _whole_number("TOUCHSTONE_MAX_ARTIFACT_MIB", 512) * 2**20
#: The largest file that may be uploaded in parts.
MAX_UPLOAD_BYTES = _whole_number("TOUCHSTONE_MAX_UPLOAD_MIB", 2048) * 2**20
#: Names of runtimes in which no new submission runs; "own" stands for those of brought locks.
CLOSED_RUNTIMES = _listed("TOUCHSTONE_CLOSED_RUNTIMES")
if unknown := sorted(set(CLOSED_RUNTIMES) - {*known_definitions(), ALL_OWN}):
    raise ImproperlyConfigured(
        f"TOUCHSTONE_CLOSED_RUNTIMES names {', '.join(unknown)}; there are "
        f"{', '.join(known_definitions())}, and {ALL_OWN}."
    )
#: Of a runtime that a submission brings; and of all of them on one worker.
OWN_RUNTIME_PACKAGES = _whole_number("TOUCHSTONE_OWN_RUNTIME_PACKAGES", 150)
OWN_RUNTIME_MIB = _whole_number("TOUCHSTONE_OWN_RUNTIME_MIB", 4096)
OWN_RUNTIME_FILES = _whole_number("TOUCHSTONE_OWN_RUNTIME_FILES", 200_000)
OWN_RUNTIME_BUILD_S = _whole_number("TOUCHSTONE_OWN_RUNTIME_BUILD_S", 900)
OWN_RUNTIMES_BYTES = _whole_number("TOUCHSTONE_OWN_RUNTIMES_GIB", 50) * 2**30
#: Reference sets that administrators upload: size of the file; time and memory to read it.
MAX_REFERENCE_BYTES = _whole_number("TOUCHSTONE_MAX_REFERENCE_MIB", 64) * 2**20
REFERENCE_CHECK_S = _whole_number("TOUCHSTONE_REFERENCE_CHECK_S", 90)
REFERENCE_CHECK_MIB = _whole_number("TOUCHSTONE_REFERENCE_CHECK_MIB", 4096)
#: Streams of events: how long each lasts, and how many threads of a web process they may keep.
STREAM_S = _whole_number("TOUCHSTONE_STREAM_S", 55)
STREAMS_PER_PROCESS = _whole_number("TOUCHSTONE_STREAMS_PER_PROCESS", 2)
#: Webhooks: whether plain HTTP may be used, and networks that may be told though not public.
WEBHOOK_ALLOW_HTTP = _flag("TOUCHSTONE_WEBHOOK_ALLOW_HTTP")
WEBHOOK_NETWORKS = [n for n in os.environ.get("TOUCHSTONE_WEBHOOK_NETWORKS", "").split(",") if n]
#: Ports beside 443 (and 80, where plain HTTP may be used) at which webhooks may be told.
WEBHOOK_PORTS = _ports("TOUCHSTONE_WEBHOOK_PORTS")
#: Uploads in parts that a user may have at the same time, and how long an idle one is kept.
MAX_OPEN_UPLOADS = _whole_number("TOUCHSTONE_MAX_OPEN_UPLOADS", 10)
UPLOAD_EXPIRY_HOURS = _whole_number("TOUCHSTONE_UPLOAD_EXPIRY_HOURS", 24)

#: Requests of one client: of an account, else of an address. See services/accounts/throttles.py.
THROTTLES = {
    "read": _rate("TOUCHSTONE_READ_RATE", "600/min"),
    "submit": _rate("TOUCHSTONE_SUBMIT_RATE", "120/min"),
    "upload": _rate("TOUCHSTONE_UPLOAD_RATE", "600/min"),
    # Pictures beside shared links that have to be drawn; the others are not counted.
    "card": _rate("TOUCHSTONE_CARD_RATE", "60/min"),
    "login": _rate("TOUCHSTONE_SIGN_IN_RATE", "20/min"),
    # Tries of one address at one account; and of all addresses, beyond which each has only two.
    "login-account": _rate("TOUCHSTONE_SIGN_IN_ACCOUNT_RATE", "40/15min"),
    "login-everywhere": _rate("TOUCHSTONE_SIGN_IN_EVERYWHERE_RATE", "120/15min"),
    # Tries of codes at one account, by who knows its password: a code has six digits.
    "second-factor": _rate("TOUCHSTONE_SECOND_FACTOR_RATE", "10/15min"),
    # Letters that strangers can have us write: to one recipient, and for one sender or address.
    "letter": _rate("TOUCHSTONE_LETTER_RATE", "6/hour"),
    "letter-sender": _rate("TOUCHSTONE_LETTER_SENDER_RATE", "30/hour"),
    # Counted by each web process for itself: all requests of an address, and those answered 401.
    "any": _rate("TOUCHSTONE_ANY_RATE", "1200/min"),
    "refused": _rate("TOUCHSTONE_REFUSED_RATE", "120/min"),
    # Milliseconds of the processor that one address may have of each web process. In a long window,
    # since the first pages after a start, when nothing is remembered, take some seconds each.
    "processor": _rate("TOUCHSTONE_PROCESSOR_RATE", "100000/5min"),
}
#: How many proxies stand before the server; with none, X-Forwarded-For is not believed.
PROXIES = _whole_number("TOUCHSTONE_PROXIES", 0)
#: Evaluations that a user, or a team, may ask for; administrators set others for some.
QUOTAS = {
    "per_day": _whole_number("TOUCHSTONE_QUOTA_PER_DAY", 200),
    "per_month": _whole_number("TOUCHSTONE_QUOTA_PER_MONTH", 2000),
    "concurrent": _whole_number("TOUCHSTONE_QUOTA_CONCURRENT", 100),
}
#: Time of workers, potentials and room for files of a user, or a team.
ROOM_QUOTAS = {
    "worker_seconds_per_day": 3600 * _whole_number("TOUCHSTONE_QUOTA_WORKER_HOURS_PER_DAY", 48),
    "worker_seconds_per_week": 3600 * _whole_number("TOUCHSTONE_QUOTA_WORKER_HOURS_PER_WEEK", 168),
    "potentials": _whole_number("TOUCHSTONE_QUOTA_POTENTIALS", 200),
    "stored_MiB": _whole_number("TOUCHSTONE_QUOTA_STORED_MIB", 32_768),
}

#: On one task version with a hidden reference set; services/accounts/hidden_sets.py says why.
HIDDEN_EVALUATIONS_PER_MONTH = _whole_number("TOUCHSTONE_HIDDEN_EVALUATIONS_PER_MONTH", 10)

#: Teams that one person may make: each has a quota of its own.
MAX_TEAMS = _whole_number("TOUCHSTONE_MAX_TEAMS", 3)

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "leaderboard.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticatedOrReadOnly"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_METADATA_CLASS": None,  # the schema tells more than OPTIONS would
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PARSER_CLASSES": ["leaderboard.api.parsers.BoundedJSONParser"],
    "DEFAULT_THROTTLE_CLASSES": ["leaderboard.api.throttling.ScopedThrottle"],
    "EXCEPTION_HANDLER": "leaderboard.api.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Touchstone",
    "DESCRIPTION": "Submit interatomic potentials, follow their evaluation, read leaderboards.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "leaderboard.api.schema.add_problems",
    ],
    # The page's scripts come from this host: the content security policy allows no other.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

#: A message is a hint that work exists; PostgreSQL is the truth. See dispatch.py.
CELERY_BROKER_URL = _required("CELERY_BROKER_URL", "redis://... or amqp://...")
#: Redis hands an unacknowledged message out again after so long; a second delivery is harmless.
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"visibility_timeout": 3600} if CELERY_BROKER_URL.startswith("redis") else {}
)

#: An evaluation whose worker has not been heard of for so long goes back to the queue.
LEASE_S = _whole_number("TOUCHSTONE_LEASE_S", 60)
HEARTBEAT_S = _whole_number("TOUCHSTONE_HEARTBEAT_S", 10)
REAPER_INTERVAL_S = _whole_number("TOUCHSTONE_REAPER_INTERVAL_S", 15)
#: A worker that is free and claims nothing, though something was due for so long, is deaf: it
#: starts anew, and is shown as such.
DEAF_AFTER_S = _whole_number("TOUCHSTONE_DEAF_AFTER_S", 40)
MAX_ATTEMPTS = _whole_number("TOUCHSTONE_MAX_ATTEMPTS", 3)
#: Pause before the second attempt after a fault of ours; four times as long before each next.
RETRY_PAUSE_S = _whole_number("TOUCHSTONE_RETRY_PAUSE_S", 10)
if HEARTBEAT_S * 3 > LEASE_S:
    raise ImproperlyConfigured("TOUCHSTONE_LEASE_S must be at least three heartbeats")
if DEAF_AFTER_S < 2 * HEARTBEAT_S:
    raise ImproperlyConfigured("TOUCHSTONE_DEAF_AFTER_S must be at least two heartbeats")
#: Between parties, time of workers weighs half as much after so long; see fair_share.py.
FAIR_SHARE_HALF_LIFE_S = 3600 * _whole_number("TOUCHSTONE_FAIR_SHARE_HALF_LIFE_H", 6)
if FAIR_SHARE_HALF_LIFE_S == 0:
    raise ImproperlyConfigured("TOUCHSTONE_FAIR_SHARE_HALF_LIFE_H must be at least 1")
#: The clock of a smoke test, where its task's own is longer.
SMOKE_WALL_S = _whole_number("TOUCHSTONE_SMOKE_WALL_S", 120)
if SMOKE_WALL_S == 0:
    raise ImproperlyConfigured("TOUCHSTONE_SMOKE_WALL_S must be at least 1")
#: Set to 1 to let the built-in potentials, and only these, run where no sandbox can be had.
ALLOW_UNSANDBOXED_BUILT_IN = _flag("TOUCHSTONE_ALLOW_UNSANDBOXED_BUILT_IN")
#: Refuse to evaluate strangers' potentials without a cgroup that contains their memory.
REQUIRE_CGROUP = _flag("TOUCHSTONE_REQUIRE_CGROUP", "0" if DEVELOPMENT else "1")
#: Device on which this host's worker evaluates: "cpu", "cuda" or "cuda:0".
DEVICE = os.environ.get("TOUCHSTONE_DEVICE") or "cpu"
if not re.fullmatch(DEVICE_PATTERN, DEVICE):
    raise ImproperlyConfigured(f"TOUCHSTONE_DEVICE={DEVICE!r} must be cpu, cuda or cuda:N")

#: Where runtimes are built and kept.
RUNTIMES_DIR = Path(os.environ.get("TOUCHSTONE_RUNTIMES_DIR") or DATA_DIR / "runtimes").resolve()
#: Runtimes that this host's worker may serve: those named are built when it starts; "all" means
#: all that ship, each built when it is first asked for.
RUNTIMES = _listed("TOUCHSTONE_RUNTIMES") or ["all"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        # Twice for each message. What came of it, evaluator/tasks.py says.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # What strangers ask for that is not there; the proxy's log has each request.
        "django.request": {"level": "ERROR"},
    },
}
