"""User names: what may stand in one, and which could be taken for somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.contrib.auth.models import User

from leaderboard.exceptions import SubmissionError
from leaderboard.lib.names import fault_of, mixed_letters, normal, skeleton


def check_user_name(name: str) -> None:
    """Raises SubmissionError for a name that somebody who signs up may not take.

    Unlike a potential's, a name that looks like another's is refused: it stands beside what people
    submit, and says who answers for it.
    """
    if fault := fault_of(name):
        raise SubmissionError({"username": fault})
    if name != normal(name):
        raise SubmissionError({"username": f"Write it in plain letters: {normal(name)}"})
    if mixed := mixed_letters(name):
        letters = " ".join(mixed)
        raise SubmissionError({"username": f"Letters of several scripts are mixed: {letters}"})
    if skeleton(name) in _skeletons():
        raise SubmissionError({"username": "It could be taken for another name. Choose another."})


def users_with_faults() -> Iterator[tuple[str, str]]:
    """Names that are there already and would be refused today, each with the reason."""
    first: dict[str, str] = {}
    for name in User.objects.order_by("date_joined", "pk").values_list("username", flat=True):
        if fault := fault_of(name):
            yield name, fault
        if mixed := mixed_letters(name):
            yield name, f"Letters of another script among Latin ones: {' '.join(mixed)}"
        like = first.setdefault(skeleton(name), name)
        if like != name:
            yield name, f"It looks like that of {like}."


def _skeletons() -> set[str]:
    taken = User.objects.values_list("username", flat=True).iterator()
    return {skeleton(name) for name in (*settings.ACCOUNT_USERNAME_BLACKLIST, *taken)}
