"""Entry point of gunicorn."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leaderboard.settings")
application = get_wsgi_application()
# What is loaded now stays: the collector need not look at it again while it answers requests.
gc.collect()
gc.freeze()
