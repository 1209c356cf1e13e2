"""Settings of the tests and of mypy: development mode, with a database only where one is given."""

import os

os.environ.setdefault("TOUCHSTONE_DEVELOPMENT", "1")
os.environ.setdefault("TOUCHSTONE_SECRET_KEY", "a key for tests")
os.environ.setdefault("DATABASE_URL", "postgresql://nobody@/none")
os.environ.setdefault("CELERY_BROKER_URL", "memory://")

from leaderboard.settings import *  # noqa: F403
from leaderboard.settings import DATABASES, THROTTLES

# The real one takes a fifth of a second for each account, by design.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Each client of a test has the middleware anew, which would look through all static files first.
WHITENOISE_AUTOREFRESH = True

if "TOUCHSTONE_TEST_TEMPLATE" in os.environ:  # tests/kept_schema.py
    DATABASES["default"]["TEST"] = {"TEMPLATE": os.environ["TOUCHSTONE_TEST_TEMPLATE"]}
# Counted in memory, by address, for all tests of a process.
THROTTLES = {
    **THROTTLES,
    "any": "1000000/min",
    "refused": "1000000/min",
    "processor": "9999999/min",
}
