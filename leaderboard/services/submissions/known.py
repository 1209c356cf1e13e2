"""Whether a submission is there already, and what of it was said differently this time.

A submission never changes. Whoever submits again gets the one that is there, if all that he says
of it is so; else he is told what differs, and nothing that he asked for is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator

from leaderboard.enums import Visibility
from leaderboard.exceptions import AlreadyThereError
from leaderboard.models import Submission


def same_or_refuse(new: Submission, sha256: str, *, visibility: str | None) -> Submission | None:
    """The submission that is there with this version, file and description; None for a new one.

    ``visibility`` is None where nothing was said of it. Raises AlreadyThereError where the version
    names something else, or the file has another version.
    """
    if new.potential.pk is None:
        return None
    there = Submission.objects.filter(potential=new.potential).select_related(
        "artifact", "runtime_lock"
    )
    named = there.filter(version=new.version).first()
    if named is not None:
        _refuse_withdrawn(named)
        _refuse_difference(named, new, sha256)
        _refuse_visibility(named, visibility)
        return named
    alike = there.filter(
        artifact__sha256=sha256,
        calculator_kind=new.calculator_kind,
        settings=new.settings,
        withdrawn_at__isnull=True,
        **_of_lock(new),
    ).first()
    if alike is not None:
        _refuse_file(alike, new, sha256)
    return None


def _refuse_withdrawn(there: Submission) -> None:
    if there.withdrawn_at is not None:
        raise AlreadyThereError(
            {
                "version": f"{_name(there)} was withdrawn, and its name stays taken. Give the new "
                "one another version."
            },
            there.pk,
        )


def _refuse_difference(there: Submission, new: Submission, sha256: str) -> None:
    differences = "; ".join(_differences(there, new, sha256))
    if differences:
        # The same file cannot stand beside itself: that one must go first.
        first = "withdraw that one on its page, and " if _is_same_file(there, new, sha256) else ""
        raise AlreadyThereError(
            {
                "version": f"{_name(there)} is there already and differs: {differences}. A "
                f"submission never changes: {first}give the new one another version."
            },
            there.pk,
        )


def _refuse_visibility(there: Submission, wanted: str | None) -> None:
    if wanted in (None, there.visibility):
        return
    sentence = (
        f"{_name(there)} is private. Submitting it again does not show it: publish it on its "
        f"page, or with touchstone publish {there.pk}."
        if wanted == Visibility.PUBLIC
        else f"{_name(there)} is public already, and cannot be made private. Withdraw it on its "
        "page if it should not be seen."
    )
    raise AlreadyThereError({"visibility": sentence}, there.pk)


def _refuse_file(there: Submission, new: Submission, sha256: str) -> None:
    differences = "; ".join(_differences(there, new, sha256))
    if not differences:
        sentence = (
            f"This file is version {there.version} of {there.potential} already, as submission "
            f"{there.pk}; nothing new was submitted. Its scores would be the same: submit it as "
            f"version {there.version} to have it judged by further tasks, or choose another file."
        )
        raise AlreadyThereError({"version": sentence}, there.pk)
    sentence = (
        f"The same file with the same settings is there already, as version {there.version}, "
        f"submission {there.pk}; only this differs: {differences}. If the new one is to take its "
        "place, withdraw that one on its page first."
    )
    raise AlreadyThereError({"artifact": sentence}, there.pk)


def _is_same_file(there: Submission, new: Submission, sha256: str) -> bool:
    """Whether it would load the same bytes in the same way."""
    theirs = (there.artifact.sha256, there.calculator_kind, there.settings, _lock(there))
    return theirs == (sha256, new.calculator_kind, new.settings, _lock(new))


def _lock(submission: Submission) -> str:
    """The hash of the lock that it brings; empty without one."""
    lock = submission.runtime_lock
    return "" if lock is None else lock.sha256


def _of_lock(submission: Submission) -> dict[str, object]:
    sha256 = _lock(submission)
    return {"runtime_lock__sha256": sha256} if sha256 else {"runtime_lock__isnull": True}


def _name(there: Submission) -> str:
    return f"Version {there.version} of {there.potential}, submission {there.pk},"


def _differences(there: Submission, new: Submission, sha256: str) -> Iterator[str]:
    """A phrase for each thing that follows from the file or was said of it."""
    if there.artifact.sha256 != sha256:
        theirs, ours = there.artifact.sha256[:12], sha256[:12]
        yield f"its file has the SHA-256 {theirs}…, this one {ours}…"
    if there.calculator_kind != new.calculator_kind:
        yield _differs("the kind", there.calculator_kind, new.calculator_kind)
    else:
        for name in sorted({*there.settings, *new.settings}):
            theirs, ours = there.settings.get(name), new.settings.get(name)
            if theirs != ours:
                yield _differs(f"the setting {name}", repr(theirs), repr(ours))
    if _lock(there) != _lock(new):
        yield _differs("the lock", _lock(there)[:12] or "none", _lock(new)[:12] or "none")
    if there.supported_elements != new.supported_elements:
        yield _differs(
            "the list of elements",
            _elements(there.supported_elements),
            _elements(new.supported_elements),
        )
    if there.declares_non_conservative != new.declares_non_conservative:
        theirs, ours = ("are not", "are") if there.declares_non_conservative else ("are", "are not")
        yield f"its forces {theirs} meant to be the gradient of the energy, here they {ours}"


def _differs(what: str, theirs: str, ours: str) -> str:
    return f"{what} is {theirs} there, {ours} here"


def _elements(symbols: list[str] | None) -> str:
    if symbols is None:
        return "left to the checkpoint"
    shown = ", ".join(symbols[:12])
    return f"{shown}, … ({len(symbols)})" if len(symbols) > 12 else shown
