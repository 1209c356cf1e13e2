"""The audit log: every act of an administrator, with the values before and after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction

from leaderboard.lib.json_values import clean_json, clean_text
from leaderboard.models import AuditEntry

_SECRETS = ("password", "token", "secret", "hash")
_WITHHELD = "(withheld)"
#: Logs and replicates are no news to an auditor.
_MAX_TEXT = 2000
_ENCODER = DjangoJSONEncoder()

Actor = User | AnonymousUser | str
Changes = Mapping[str, tuple[object, object]]


def record(
    actor: Actor,
    action: str,
    row: models.Model | None = None,
    *,
    changes: Changes | None = None,
    detail: str = "",
) -> AuditEntry:
    """Add an entry. ``actor`` is a user, or the name of a command."""
    name = actor if isinstance(actor, str) else actor.get_username()
    return AuditEntry.objects.create(
        actor=name[:150],
        actor_id=None if isinstance(actor, str) else actor.pk,
        action=action[:64],
        model="" if row is None else str(row._meta.verbose_name)[:64],
        object_id="" if row is None or row.pk is None else str(row.pk)[:64],
        label="" if row is None else clean_text(str(row))[:300],
        changes={
            field: [_shown(field, old), _shown(field, new)]
            for field, (old, new) in (changes or {}).items()
        },
        detail=clean_text(detail),
    )


@contextmanager
def recorded(actor: Actor, action: str, row: models.Model, detail: str = "") -> Iterator[None]:
    """Do something to a row and note what it changed, both or neither."""
    with transaction.atomic():
        before = stored(row)
        yield
        record(actor, action, row, changes=differences(before, stored(row)), detail=detail)


def newest(n: int = 10) -> list[AuditEntry]:
    """The last entries, without what they changed."""
    return list(AuditEntry.objects.defer("changes", "detail")[:n])


def stored(row: models.Model) -> dict[str, Any]:
    """The values that the database has for this row now; nothing of one that it has not."""
    if row.pk is None:
        return {}
    names = [field.attname for field in row._meta.concrete_fields]
    return type(row)._default_manager.filter(pk=row.pk).values(*names).first() or {}


def differences(
    before: Mapping[str, object], after: Mapping[str, object]
) -> dict[str, tuple[object, object]]:
    """Field -> (old, new) of what differs; None where there was or is no row."""
    return {
        name: (before.get(name), after.get(name))
        for name in [*before, *(name for name in after if name not in before)]
        if before.get(name) != after.get(name)
    }


def _shown(field: str, value: object) -> Any:  # noqa: ANN401  (any JSON value)
    if value is not None and any(word in field for word in _SECRETS):
        return _WITHHELD
    try:
        plain = clean_json(value)
    except TypeError:  # a date, a UUID: as the rest of Django writes them
        plain = _text(value)
    if isinstance(plain, str) and len(plain) > _MAX_TEXT:
        return plain[:_MAX_TEXT] + "…"
    if isinstance(plain, list | dict) and len(str(plain)) > 10 * _MAX_TEXT:
        return f"({len(plain)} entries)"
    return plain


def _text(value: object) -> str:
    try:
        return clean_text(str(_ENCODER.default(value)))
    except TypeError:
        return clean_text(str(value))
