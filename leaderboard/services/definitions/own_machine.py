"""Tasks on other machines: what anybody may fetch of them, and the command that runs them.

A hidden reference set is given to nobody by what stands here, whoever asks: neither its bytes nor
its sha256. A command is printed only where it works, else the sentence that says why it would not.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from evaluator.catalog import PROTOCOLS
from evaluator.standard_tasks.read import shipped_references
from leaderboard.enums import VersionState
from leaderboard.models import ReferenceSet, Submission, TaskVersion
from leaderboard.models.disclosure import is_hidden

_HIDDEN = "Its reference set is hidden: this service alone can run it."
#: A setting's beginning, as the command line parts KIND:WHAT,key=value,key=value.
_SETTING = re.compile(r",(?=\w+=)")


@dataclass(frozen=True, kw_only=True)
class OwnRun:
    """Either a command for the reader's own machine, or why there is none."""

    command: str = ""
    why_not: str = ""


def why_not_given(version: TaskVersion) -> str:
    """Why a task version can be run nowhere else, one sentence; empty where it can."""
    if version.state == VersionState.DRAFT:
        return "It is a draft; once it is published, anybody can run it."
    if is_hidden(version):
        return _HIDDEN
    if version.reference_set is None:
        return "It has no reference set that could be fetched."
    return ""


def given_references() -> QuerySet[ReferenceSet]:
    """The sets that anybody may have: public ones of what was ever published."""
    shown = TaskVersion.objects.exclude(state=VersionState.DRAFT)
    return ReferenceSet.objects.filter(is_public=True, pk__in=shown.values("reference_set"))


def why_its_file_is_not_given(reference: ReferenceSet) -> str:
    """Not all authors let others pass their data on; what ships everybody gets from them."""
    if reference.sha256 not in shipped_references():
        return ""
    return (
        f"{reference} is fetched from its authors and not passed on: touchstone data fetch "
        f"{reference.slug} builds the same file."
    )


def run_with_any_potential(version: TaskVersion, site: str) -> OwnRun:
    """The command with a potential that comes with the package, for a task's page."""
    return _run(version, site, "chgnet:0.3.0")


def run_submission(versions: Sequence[TaskVersion], submission: Submission, site: str) -> OwnRun:
    """The command with a submission's file, on the first of the versions that it works for.

    Where there is none, it is said why the first cannot be run.
    """
    if not versions:
        return OwnRun(why_not="It has not been put on any task yet.")
    kind, filename = submission.calculator_kind, submission.artifact_filename
    settings: Mapping[str, Any] = submission.settings
    if any(_SETTING.search(str(text)) for text in (filename, *settings.values())):
        return OwnRun(
            why_not=f"The name {filename}, or a setting, cannot be told from other settings on a "
            "command line: rename the file, and see touchstone evaluate --help."
        )
    name = calculator_name(kind, filename, settings)
    elements = submission.supported_elements
    options = ["--elements", ",".join(elements)] if elements else []
    runs = [_run(version, site, name, options) for version in versions]
    return next((run for run in runs if run.command), runs[0])


def calculator_name(kind: str, filename: str, settings: Mapping[str, Any]) -> str:
    """How the command line names a file with its settings.

    >>> calculator_name("mace", "my.model", {"dtype": "float32", "head": "a b"})
    'mace:my.model,dtype=float32,head=a b'
    """
    # Texts stand for themselves; true and 1.5 are read as JSON.
    written = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in settings.items()
    ]
    return ",".join([f"{kind}:{filename}", *written])


def _run(version: TaskVersion, site: str, calculator: str, options: Sequence[str] = ()) -> OwnRun:
    why_not = why_not_given(version) or _why_outdated(version)
    if why_not:
        return OwnRun(why_not=why_not)
    words = ["touchstone", "evaluate", "--url", site]
    # Exactly this version: the current one is another by the time that somebody repeats it.
    words += ["--task", version.task.slug, "--version", str(version.number)]
    words += ["--calculator", calculator, *options, "--json", "out.json"]
    return OwnRun(command=shlex.join(words))


def _why_outdated(version: TaskVersion) -> str:
    protocol = PROTOCOLS.get(version.protocol)
    if protocol is not None and protocol.version == version.protocol_version:
        return ""
    now = f"has version {protocol.version}" if protocol else "does not have it any more"
    return (
        f"It is measured by version {version.protocol_version} of the protocol {version.protocol}; "
        f"today's software {now}."
    )
