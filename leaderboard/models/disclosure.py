"""What a reader may know of an evaluation: every such decision of the service is made here.

A reference set is open or hidden (``ReferenceSet.is_public``). Of an evaluation on a hidden set

| audience                    | open set          | hidden set                           |
|---|---|---|
| public                      | all but the log   | verdict code, rounded scores, places |
| owner, or the team's member | all, with the log | the same as the public               |
| staff                       | all               | all                                  |

``seen_by`` gives the evaluation as a reader may see it; pages, API and webhooks show that and never
the row itself. Services that read many rows at once ask with ``OPEN`` or round with ``told_score``.
What holds for each field of a model is written down below, once; a field that is named nowhere is
withheld, and a test complains of it. Since the reference set decides, a set that is opened opens
its old evaluations too, and boards follow (a trigger notes the change).

Why so little is told: a potential answers whatever it likes, and is submitted as often as its
owner may. Each exact number is then an equation in the hidden labels, and each text a way out for
the structures that the calculator was shown. So texts and records are withheld, numbers that the
calculator can steer have two decimals, and ``services/accounts/hidden_sets.py`` limits how many
evaluations on a hidden set anybody may ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from copy import copy
from datetime import datetime
from enum import Enum, IntEnum, unique
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
from django.db.models import Model, Q

from leaderboard.models.evaluation import Evaluation, Event
from leaderboard.models.permissions import may_read_private

if TYPE_CHECKING:
    from leaderboard.models.permissions import Person
    from leaderboard.models.reference import ReferenceSet
    from leaderboard.models.task import TaskVersion

#: Decimals of a score, of its interval and of a coverage that are told of a hidden set.
SCORE_DECIMALS: Final = 2
#: Said in place of what is withheld.
WHY_WITHHELD: Final = (
    "The task has a hidden reference set: of its evaluations the verdict and rounded scores are "
    "told, and nothing of single systems, since that would tell the set."
)
#: Said of a hidden set where times are not ranked: no number.
UNRELIABLE_TIMES: Final = "Its times were not reliable."

#: In a query on evaluations: those of which all may be told.
OPEN = ~Q(task_version__reference_set__is_public=False)
#: In a query on rows that belong to an evaluation: scores, systems, files.
OF_OPEN = ~Q(evaluation__task_version__reference_set__is_public=False)


@unique
class Audience(IntEnum):
    """Who reads; whoever is higher may read whatever the lower ones may."""

    PUBLIC = 1
    OWNER = 2
    STAFF = 3


@unique
class Part(Enum):
    """What of an evaluation is read."""

    SCORES = "scores"  # verdict, task score, scores of the metrics
    DETAILS = "details"  # records of systems, files, summary, consistency, message, progress
    LOG = "log"  # what the submission wrote


_OPEN_TO = {
    Part.SCORES: Audience.PUBLIC,
    Part.DETAILS: Audience.PUBLIC,
    Part.LOG: Audience.OWNER,
}
_HIDDEN_TO = {
    Part.SCORES: Audience.PUBLIC,
    Part.DETAILS: Audience.STAFF,
    Part.LOG: Audience.STAFF,
}


def is_hidden(task_version: TaskVersion) -> bool:
    """Whether the task's reference set is hidden."""
    reference = task_version.reference_set
    return reference is not None and not reference.is_public


def audience(reader: Person, evaluation: Evaluation) -> Audience:
    """Which audience of an evaluation somebody belongs to who may see that there is one."""
    if reader.is_staff:
        return Audience.STAFF
    if may_read_private(reader, evaluation.submission.potential):
        return Audience.OWNER
    return Audience.PUBLIC


def may_read(reader: Person, evaluation: Evaluation, part: Part) -> bool:
    """Whether somebody who may see that there is an evaluation may read this part of it."""
    needed = (_HIDDEN_TO if is_hidden(evaluation.task_version) else _OPEN_TO)[part]
    # Asking for the audience takes a query; the public's part and the staff need none.
    return needed <= Audience.PUBLIC or reader.is_staff or needed <= audience(reader, evaluation)


def may_read_set(reader: Person, reference: ReferenceSet | None) -> bool:
    """Whether structures and values of a reference set may be shown to somebody."""
    return reference is None or reference.is_public or reader.is_staff


def seen_by(reader: Person | None, evaluation: Evaluation) -> Evaluation:
    """The evaluation as somebody may see it: itself, or a copy that tells what may be told.

    ``None`` is the public, whoever looks: for what is written once for all. The copy cannot be
    saved. Where scores or events were fetched with it, it has copies of them; else it has none.
    """
    if not is_hidden(evaluation.task_version) or (reader is not None and reader.is_staff):
        return evaluation
    veiled = _veiled(evaluation, EVALUATION_FIELDS)
    fetched: Mapping[str, Any] = getattr(evaluation, "_prefetched_objects_cache", {})
    scores = [_veiled(score, SCORE_FIELDS) for score in fetched.get("scores", ())]
    events = [veiled_event(event) for event in fetched.get("events", ())]
    veiled.__dict__["_prefetched_objects_cache"] = {
        **{name: [] for name in ("systems", "files", "kept_systems")},
        "scores": scores,
        "events": events,
    }
    return veiled


def told_score(value: float | None) -> float | None:
    """A score from 0 to 1, or a coverage, of a hidden set as everybody may know it.

    >>> told_score(0.12345)
    0.12
    """
    return None if value is None else round(value, SCORE_DECIMALS)


def told_scores(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The same of many: replicates, so that what follows from them tells no more than they do."""
    return np.round(values, SCORE_DECIMALS)


def told_event(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Details of an event of a hidden set: names and codes, no words of a calculator."""
    names = _EVENT_DETAILS | ({"reason"} if kind == "queued" else set())
    return {name: data[name] for name in data if name in names}


def _whole_seconds(value: float | None) -> float | None:
    return None if value is None else float(round(value))


def _without_numbers(why: str) -> str:
    """How long its calls take is the calculator's to choose, and so would be a number."""
    return UNRELIABLE_TIMES if why else ""


def _to_the_second(moment: datetime | None) -> datetime | None:
    """A clock that a calculator could speak through, by when it ends, has no finer hand."""
    return None if moment is None else moment.replace(microsecond=0)


def _provenance(value: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value[name] for name in _PROVENANCE if name in value}
    calculator = value.get("calculator")
    if isinstance(calculator, Mapping):
        # Told before the calculator is shown any structure.
        told["calculator"] = {
            name: calculator[name] for name in ("elements", "dtype") if name in calculator
        }
    return told


#: Facts of our own, known before the first structure is shown to the calculator.
_PROVENANCE: Final = (
    *("task", "protocol", "is_whole_task", "artifact_sha256", "settings", "dtype_requested"),
    *("device", "versions", "runtime", "hardware", "sandbox_level", "evaluated_at"),
)
_EVENT_DETAILS: Final = frozenset(
    {"attempt", "worker", "verdict", "phase", "by", "supersedes", "smoke"}
)


#: What becomes of a field's value in the copy that a reader gets.
Rule = Callable[[Any], Any]


def _as_it_is(value: Any) -> Any:  # noqa: ANN401  (any field's value)
    return value


def _withheld(instead: Any) -> Rule:  # noqa: ANN401  (any field's value)
    # A fresh one each time: no two copies share a list.
    return lambda _: copy(instead)


def _rules(
    told: Collection[str], rounded: Collection[str], others: Mapping[str, Rule]
) -> dict[str, Rule]:
    return {**dict.fromkeys(told, _as_it_is), **dict.fromkeys(rounded, told_score), **others}


#: Of every column of the models: the copy that ``seen_by`` makes. What is not here is withheld.
EVALUATION_FIELDS: Final = _rules(
    told=(
        *("id", "submission_id", "task_version_id", "is_current", "is_dry_run", "supersedes_id"),
        *("reason", "priority", "held_by_id", "state", "phase", "verdict", "attempt"),
        *("fencing_token", "worker_id", "cancel_requested_at", "not_before", "message_sent_at"),
        *("parties", "queued_at"),
        # How many there are is said of the set itself.
        *("n_systems", "hardware_key"),
    ),
    rounded=("score", "score_low", "score_high", "coverage"),
    others={
        # When systems end is the calculator's to choose: a clock that it could speak through.
        **dict.fromkeys(("progress_done", "progress_total", "progress_calls"), _withheld(0)),
        "expected_at": _withheld(None),
        "message": _withheld(""),
        "why_unreliable": _without_numbers,
        "n_failed": _withheld(None),
        "n_unsupported": _withheld(None),
        "replicates": _withheld(b""),
        "summary": _withheld({}),
        "consistency": _withheld({}),
        "provenance": _provenance,
        "stdout": _withheld(""),
        "stderr": _withheld(""),
        # Anybody who polls the state knows it to the second.
        "wall_time_s": _whole_seconds,
        **dict.fromkeys(
            ("lease_expires_at", "heartbeat_at", "started_at", "finished_at"), _to_the_second
        ),
    },
)
SCORE_FIELDS: Final = _rules(
    told=("id", "evaluation_id", "metric"),
    rounded=("score",),
    others={
        # The mean of errors that somebody chose is an equation in the labels.
        **dict.fromkeys(
            (
                *("value", "low", "high", "median_error", "baseline_error"),
                *("n", "n_failed", "n_tested"),
            ),
            _withheld(None),
        ),
        "replicates": _withheld(b""),
    },
)
#: The details follow from the kind as well: see ``told_event``.
EVENT_FIELDS: Final = _rules(
    told=("id", "evaluation_id", "kind"),
    rounded=(),
    others={"at": _to_the_second, "data": _withheld({})},
)
#: Models whose rows are withheld whole: systems, their files, and what waits for a next attempt.
WITHHELD_ROWS: Final = frozenset(
    {"SystemResult", "SkillTable", "FrameErrorTable", "EvaluationFile", "KeptSystem"}
)

_Row = TypeVar("_Row", bound=Model)


def _veiled(row: _Row, rules: Mapping[str, Rule]) -> _Row:
    """A copy with what the rules tell; a field that no rule names is withheld."""
    veiled = copy(row)
    veiled.__dict__["is_veiled"] = True
    veiled.__dict__.pop("_prefetched_objects_cache", None)
    nothing = _withheld(None)
    for field in row._meta.concrete_fields:
        rule, name = rules.get(field.attname, nothing), field.attname
        if name in row.__dict__:
            veiled.__dict__[name] = rule(row.__dict__[name])
        elif rule is not _as_it_is:
            # It was not read. Left so, the copy would read it whole when it is asked for it.
            veiled.__dict__[name] = rule(field.get_default())
    return veiled


def veiled_event(event: Event) -> Event:
    """An event of a hidden set as everybody may know it."""
    veiled = _veiled(event, EVENT_FIELDS)
    veiled.data = told_event(event.kind, event.data)
    return veiled
