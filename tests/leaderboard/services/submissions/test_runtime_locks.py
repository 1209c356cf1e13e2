from __future__ import annotations

import pytest

from leaderboard.enums import RuntimeState
from leaderboard.services.submissions.runtime_locks import keep, lock_of

pytestmark = pytest.mark.django_db
_NAMES = ("ase==3.29.0", "msgpack==1.2.4", "numpy==2.4.6")
_LOCK = "".join(f"{name} --hash=sha256:{'a' * 64}\n" for name in _NAMES)


def test_a_lock_that_was_refused_is_tried_again_when_it_is_brought_again() -> None:
    lock = lock_of("package", _LOCK)
    assert lock is not None
    stored = keep(lock)
    stored.state, stored.message = RuntimeState.REFUSED, "Too large."
    stored.save()

    again = lock_of("package", _LOCK)
    assert again is not None
    keep(again).refresh_from_db()

    stored.refresh_from_db()
    assert (stored.state, stored.message) == (RuntimeState.WAITING, "")


def test_a_lock_that_is_built_stays_built_when_it_is_brought_again() -> None:
    lock = lock_of("package", _LOCK)
    assert lock is not None
    stored = keep(lock)
    stored.state = RuntimeState.BUILT
    stored.save()

    again = lock_of("package", _LOCK)
    assert again is not None
    keep(again)

    stored.refresh_from_db()
    assert stored.state == RuntimeState.BUILT
