"""What administrators do is written down, and stays as it was written."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from leaderboard import models
from leaderboard.exceptions import ConflictError
from leaderboard.services.accounts import audit
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_an_entry_tells_who_did_what_with_old_and_new_values() -> None:
    worker = factories.worker(name="host-1")
    with audit.recorded(factories.charlie(), "drained", worker):
        worker.is_enabled = False
        worker.save()
    entry = models.AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.model) == ("charlie", "drained", "worker")
    assert (entry.label, entry.object_id) == ("host-1", str(worker.pk))
    assert entry.changes == {"is_enabled": [True, False]}


def test_what_is_refused_leaves_no_entry() -> None:
    worker = factories.worker()
    with pytest.raises(ConflictError), audit.recorded("command", "drained", worker):
        worker.is_enabled = False
        worker.save()
        raise ConflictError("No.")
    assert not models.AuditEntry.objects.exists()
    worker.refresh_from_db()
    assert worker.is_enabled


def test_secrets_are_not_copied() -> None:
    user = factories.user()
    changes = audit.differences({}, audit.stored(user))
    entry = audit.record("command", "added", user, changes=changes)
    assert entry.changes["password"] == [None, "(withheld)"]
    assert entry.changes["username"] == [None, "alice"]
    assert user.password not in str(entry.changes)


def test_the_database_refuses_to_edit_or_remove_an_entry() -> None:
    entry = audit.record("command", "tried")
    for act in (
        lambda: models.AuditEntry.objects.update(actor="nobody"),
        lambda: models.AuditEntry.objects.all().delete(),
        entry.delete,
    ):
        with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
            act()
    assert models.AuditEntry.objects.get().actor == "command"


def test_an_entry_outlives_what_it_speaks_of() -> None:
    user = factories.user("eve")
    audit.record(user, "added", factories.worker(name="host-9"))
    models.Worker.objects.all().delete()
    user.delete()
    entry = models.AuditEntry.objects.get()
    assert (entry.actor, entry.label) == ("eve", "host-9")
