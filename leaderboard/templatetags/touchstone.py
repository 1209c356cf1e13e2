"""How numbers, scores and names look on every page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timeuntil

from evaluator.catalog import CONSISTENCY, Column
from evaluator.catalog.skill import largest_error
from evaluator.catalog.verdicts import VERDICTS, VerdictHelp
from evaluator.contract import ScoredMetric
from leaderboard.enums import EvaluationState, Visibility
from leaderboard.models import Evaluation, Potential, Submission, TaskVersion
from leaderboard.models.disclosure import seen_by
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.definitions import own_machine
from leaderboard.services.definitions.own_machine import OwnRun
from leaderboard.services.evaluations.progress import STATE_FIELDS
from leaderboard.web.names import caution_html, key_of, version_html
from leaderboard.web.numbers import (
    count,
    heat,
    interval_bar,
    metric,
    number,
    percent,
    plain,
    short,
    skill_bar,
    span,
    unit_name,
)
from leaderboard.web.states import state_words

register = template.Library()
for _written in (number, short, plain, percent, count, span, heat, metric, unit_name, key_of):
    register.filter(_written)
register.simple_tag(interval_bar)
register.simple_tag(skill_bar)

_SOURCE = re.compile(
    r"doi:10\.[0-9]{4,9}/\S+|arXiv:[0-9]{4}\.[0-9]{4,5}|https?://\S+", re.IGNORECASE
)


@register.filter
def sources(text: str) -> SafeString:
    """A citation whose DOIs, arXiv numbers and addresses are links."""
    parts = []
    end = 0
    for match in _SOURCE.finditer(text):
        name = match[0].rstrip(".,;:)")
        parts.append(format_html("{}", text[end : match.start()]))
        address = _address_of_source(name)
        parts.append(format_html('<a href="{}" rel="noopener">{}</a>', address, name))
        end = match.start() + len(name)
    parts.append(format_html("{}", text[end:]))
    return SafeString("".join(parts))


def _address_of_source(name: str) -> str:
    kind, _, rest = name.partition(":")
    if kind.lower() == "doi":
        return f"https://doi.org/{rest}"
    return f"https://arxiv.org/abs/{rest}" if kind.lower() == "arxiv" else name


@register.simple_tag
def letters_are_printed() -> bool:
    """Whether letters go to the log of the web server instead of a mail server."""
    return not settings.EMAIL_HOST


@register.filter
def checks(consistency: Mapping[str, Any]) -> list[tuple[Column, float]]:
    """The consistency figures that were found, with their labels, in the catalog's order."""
    return [
        (column, consistency[column.name])
        for column in CONSISTENCY
        if consistency.get(column.name) is not None
    ]


register.filter("largest_error", largest_error)


@register.filter
def time_left(expected_at: datetime) -> str:
    """An estimate, said no more precisely than it is known."""
    if expected_at < timezone.now() + timedelta(minutes=1):
        return "less than a minute left"
    return f"about {timeuntil(expected_at, depth=1)} left"


@register.filter
def get(mapping: object, key: object) -> Any:  # noqa: ANN401  (whatever it holds)
    """A mapping's item; None where there is no item, or no mapping."""
    return mapping.get(key) if isinstance(mapping, Mapping) else None


@register.filter
def item(rows: Sequence[Any], at: int) -> Any:  # noqa: ANN401  (whatever it holds)
    """An item of a list by its place, from 0."""
    return rows[at]


@register.simple_tag
def submission_name(submission: Submission) -> SafeString:
    """A potential's name and version, with their marks."""
    potential = submission.potential
    text = version_html(
        slug=potential.address,
        name=potential.name,
        submission=str(submission.pk),
        version=submission.version,
        is_baseline=potential.is_baseline,
        is_private=submission.visibility == Visibility.PRIVATE,
        is_withdrawn=submission.withdrawn_at is not None,
        resembles=potential.resembles,
    )
    return mark_safe(text)  # noqa: S308  (escaped)


@register.simple_tag
def caution(potential: Potential) -> SafeString:
    """Marks of a name that could be taken for another's."""
    return mark_safe(caution_html(potential.name, potential.resembles))  # noqa: S308  (escaped)


@register.simple_tag
def entrant_name(entrant: Entrant) -> SafeString:
    """A potential's name and version as boards tell them."""
    text = version_html(
        slug=entrant.slug,
        name=entrant.name,
        submission=entrant.submission,
        version=entrant.version,
        is_baseline=entrant.is_baseline,
        is_private=entrant.visibility == Visibility.PRIVATE,
        resembles=entrant.resembles,
    )
    return mark_safe(text)  # noqa: S308  (escaped)


@register.simple_tag
def state(evaluation: Evaluation) -> SafeString | str:
    """What became of an evaluation, in a few words; in colour once it has ended."""
    told = seen_by(None, evaluation)  # the words are the same for whoever reads them
    text = state_words({field: getattr(told, field) for field in STATE_FIELDS})
    if not evaluation.has_ended:
        return text
    if evaluation.is_not_covered:
        return format_html('<span class="soft">{}</span>', text)
    is_good = evaluation.state == EvaluationState.SUCCEEDED
    return format_html('<span class="{}">{}</span>', "good-text" if is_good else "bad-text", text)


@register.filter
def verdict_help(evaluation: Evaluation) -> VerdictHelp | None:
    return VERDICTS.get(evaluation.verdict)


@register.filter
def words(name: str) -> str:
    """An identifier in words: wall_timeout → wall timeout."""
    return str(name).replace("_", " ")


@register.simple_tag(takes_context=True)
def own_run(context: Mapping[str, Any], version: TaskVersion) -> OwnRun:
    """What runs a task on the reader's own machine, or why nothing does."""
    return own_machine.run_with_any_potential(version, _site(context))


@register.simple_tag(takes_context=True)
def own_run_of(
    context: Mapping[str, Any], submission: Submission, evaluations: Sequence[Evaluation]
) -> OwnRun:
    """What runs a submission's file on a task that it was put on, or why nothing does."""
    versions = [evaluation.task_version for evaluation in evaluations]
    return own_machine.run_submission(versions, submission, _site(context))


def _site(context: Mapping[str, Any]) -> str:
    """Its address, as the command line is told it."""
    address: str = context["request"].build_absolute_uri("/")
    return address.rstrip("/")


@register.simple_tag
def anchors_in_words(anchor: ScoredMetric) -> str:
    """What scores one, what scores zero, and what a failed system is charged."""
    if anchor.noise is not None:
        return (
            f"An error of {plain(anchor.noise)} has the skill 1; that of a guess, and "
            f"{plain(largest_error(anchor))} at most, the skill 0; a failed system too."
        )
    between = ", logarithms between" if anchor.scale == "log" else ""
    scale = f"{plain(anchor.good)} scores 1, {plain(anchor.bad)} scores 0{between}"
    return f"{scale}; a failed system is charged {plain(anchor.worst)}."


@register.filter
def is_mapping(value: object) -> bool:
    return isinstance(value, dict)
