"""The Celery application: workers start with ``celery -A leaderboard worker``.

Jobs live in evaluator/tasks.py and are loaded by workers alone (``include``): the web processes
send messages by name and never import the physics.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leaderboard.settings")
# Django's checks import every page; a worker serves none.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

from django.conf import settings
from kombu.transport import TRANSPORT_ALIASES

# kombu's own is not for the threads of our pool.
TRANSPORT_ALIASES["sqla"] = "leaderboard.lib.local_transport:Transport"

app = Celery("touchstone", include=["evaluator.tasks"])
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_connection_timeout=5,
    broker_connection_retry_on_startup=True,
    # A message may be delivered twice, or belong to a row that another worker has: the claim in
    # the database decides. So it is acknowledged late, and a lost process gives it back.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # Not Celery's own: a killed child must never leave the worker deaf. See slot_pool.py.
    worker_pool="leaderboard.slot_pool:SlotPool",
    # Redis hands a message out again after this time; the second delivery finds nothing to do.
    broker_transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS,
    # The driver keeps the task's own wall and call deadlines.
    task_time_limit=None,
    task_soft_time_limit=None,
    task_ignore_result=True,
    task_default_queue="evaluations",
    task_serializer="json",
    accept_content=["json"],
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    timezone="UTC",
)
