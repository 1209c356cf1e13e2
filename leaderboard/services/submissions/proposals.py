"""What somebody wants to submit, by the names of a request: checked and accepted as a whole.

Whatever is wrong is told at once: fields, tasks, benchmark, the potential's card. A potential that
is new is registered with its first version, both or neither; the card of one that is there is not
changed, and what a request says of it otherwise is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import User

from leaderboard.exceptions import ConflictError, QuotaExceeded, SubmissionError
from leaderboard.lib.names import normal
from leaderboard.models import Artifact, Benchmark, BenchmarkVersion, Potential, TaskVersion
from leaderboard.models.permissions import check_may_submit, may_submit, visible_potentials
from leaderboard.services.accounts.teams import named_team
from leaderboard.services.submissions.artifacts import Upload
from leaderboard.services.submissions.lists import potential_to_submit_to
from leaderboard.services.submissions.preparation import Prepared, draft
from leaderboard.services.submissions.submissions import (
    Submitted,
    new_potential,
    prepare_submission,
    submit_or_find,
    tasks_named,
    with_content,
)

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """``card`` says something of the potential; None where only one that is there is meant."""

    potential: str
    described: Mapping[str, Any]
    card: Mapping[str, Any] | None = None
    benchmark: str | None = None
    tasks: Sequence[str] | None = None


def check(
    user: User, proposal: Proposal, *, size_bytes: int, faults: Mapping[str, str] | None = None
) -> Prepared:
    """Say all that would be refused, and change nothing; ``faults`` were noticed before.

    Raises what ``submit`` raises.
    """
    errors = _Errors(faults)
    errors.of(lambda: _check_size(size_bytes))
    return prepare_submission(user, **_rows(user, proposal, errors))


def submit(user: User, proposal: Proposal, upload: Upload | Artifact) -> Submitted:
    """Accept it as ``submit_or_find`` does, with its potential where that is new.

    Raises SubmissionError with every bad field, ConflictError for what is there already and
    differs, PermissionDenied for a stranger.
    """
    proposal = replace(proposal, described=with_content(proposal.described, upload))
    return submit_or_find(user, upload=upload, **_rows(user, proposal, _Errors()))


class _Errors:
    """Gathers what is refused, so that it is told together."""

    def __init__(self, noticed: Mapping[str, str] | None = None) -> None:
        self._errors = dict(noticed or {})
        self._are_conflicts = not self._errors

    def of(self, act: Callable[[], _Value]) -> _Value | None:
        """What ``act`` returns; None where it was refused, which is remembered."""
        try:
            return act()
        except QuotaExceeded:
            raise
        except SubmissionError as error:
            self._are_conflicts &= isinstance(error, ConflictError)
            self._errors = {**error.errors, **self._errors}
            return None

    def raise_any(self) -> None:
        if self._errors:
            raise (ConflictError if self._are_conflicts else SubmissionError)(self._errors)


def _rows(user: User, proposal: Proposal, errors: _Errors) -> dict[str, Any]:
    """The arguments of ``submit_or_find``; raises all that is wrong with them by themselves."""
    potential = errors.of(lambda: _potential(user, proposal.potential, proposal.card))
    benchmark = errors.of(lambda: _benchmark(proposal))
    tasks = errors.of(lambda: _tasks(proposal))
    errors.of(lambda: draft(user, **proposal.described))
    errors.raise_any()
    return {
        "potential": potential,
        "benchmark": benchmark,
        "tasks": tasks,
        **proposal.described,
    }


def _potential(user: User, slug: str, card: Mapping[str, Any] | None) -> Potential:
    """The one that is there, of which the card says nothing else; or a new one."""
    there = potential_to_submit_to(user, slug) or _another_s(user, slug, card or {})
    if there is not None:
        if not may_submit(user, there) and card and card.get("name"):
            sentence = f"A potential named {slug} is there already. Choose another name for yours."
            raise ConflictError({"potential": sentence})
        check_may_submit(user, there)
        _refuse_other_card(there, card or {})
        return there
    if not slug:
        raise SubmissionError({"potential": "Name the potential, by its name in addresses."})
    fields = dict(card or {})
    if fields.pop("slug", slug) != slug:
        sentence = f"Give one name: the potential is to be {slug}. Leave this out."
        raise SubmissionError({"card.slug": sentence})
    if not fields.get("name"):
        sentence = f"There is no potential {slug!r} that you may see. To register it, say its name."
        raise SubmissionError({"card.name": sentence})
    try:
        team = named_team(user, fields.pop("team", None))
        return new_potential(user, team=team, slug=slug, **fields)
    except SubmissionError as error:
        error.errors = {
            "potential" if name == "slug" else f"card.{name}": text
            for name, text in error.errors.items()
        }
        raise


def _another_s(user: User, slug: str, card: Mapping[str, Any]) -> Potential | None:
    """What he may see of others under this name, which is not his to take.

    A private one has no right to its slug: whoever names a new one does not mean it, unless by its
    address. Else the staff, who see all, would put their versions, public ones too, on it.
    """
    there = visible_potentials(user).named(slug).first()
    if there is None or there.holds_slug or there.address == slug or not card.get("name"):
        return there
    return None


def _refuse_other_card(potential: Potential, card: Mapping[str, Any]) -> None:
    errors = {
        f"card.{name}": f"It is {_told(theirs)} on the card of {potential.slug}, not "
        f"{_told(ours)}. Submitting changes no card: edit it, or leave this out."
        for name, ours in card.items()
        if _plain(ours) != _plain(theirs := _on_card(potential, name))
    }
    if errors:
        raise ConflictError(errors)


def _on_card(potential: Potential, name: str) -> object:
    if name == "team":
        return potential.team.slug if potential.team else None
    return getattr(potential, name)


def _plain(value: object) -> object:
    """As it would be kept, for a comparison."""
    if isinstance(value, str):
        return normal(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # A form gives a number as its digits.
    return str(value) if type(value) is int else value


def _told(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "empty"
    text = "empty" if value in ("", None) else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _benchmark(proposal: Proposal) -> BenchmarkVersion | None:
    """None for the default one."""
    if proposal.benchmark is None:
        return None
    benchmark = Benchmark.objects.filter(slug=proposal.benchmark).first()
    version = benchmark.current_version() if benchmark else None
    if version is None:
        raise SubmissionError({"benchmark": f"There is no benchmark {proposal.benchmark!r}."})
    return version


def _tasks(proposal: Proposal) -> list[TaskVersion] | None:
    if proposal.tasks is None:
        return None
    if proposal.benchmark is not None:
        raise SubmissionError({"tasks": "Name tasks or a benchmark, not both."})
    return tasks_named(proposal.tasks)


def _check_size(size_bytes: int) -> None:
    limit = max(settings.MAX_ARTIFACT_BYTES, settings.MAX_UPLOAD_BYTES)
    if size_bytes == 0:
        raise SubmissionError({"artifact": "The file is empty."})
    if size_bytes > limit:
        raise SubmissionError(
            {
                "artifact": f"The file has {size_bytes / 2**20:.0f} MiB; at most "
                f"{limit // 2**20} MiB are accepted."
            }
        )
