"""How numbers, scores and names look on every page."""

from __future__ import annotations

import math
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

from evaluator.catalog import CONSISTENCY, METRICS, Column, Direction, Metric
from evaluator.catalog.verdicts import VERDICTS, VerdictHelp
from evaluator.contract import ScoredMetric
from leaderboard.enums import EvaluationState, Visibility
from leaderboard.models import Evaluation, Potential, Submission, TaskVersion
from leaderboard.models.disclosure import seen_by
from leaderboard.services.boards.entrants import Entrant
from leaderboard.services.definitions import own_machine
from leaderboard.services.definitions.own_machine import OwnRun
from leaderboard.services.evaluations.progress import STATE_FIELDS
from leaderboard.web.names import caution_html, version_html
from leaderboard.web.states import state_words

register = template.Library()

#: What stands where there is no number.
NOTHING = "–"
#: Longer lists are for the API.
_LIST_SHOWN = 8
_SOURCE = re.compile(
    r"doi:10\.[0-9]{4,9}/\S+|arXiv:[0-9]{4}\.[0-9]{4,5}|https?://\S+", re.IGNORECASE
)
#: How keys end, the longest first, and how their units are written.
_UNITS = {
    "meV_per_atom": "meV/atom",
    "eV_per_atom": "eV/atom",
    "eV_A": "eV/Å",
    "percent": "%",
    "meV": "meV",
    "GPa": "GPa",
    "MiB": "MiB",
    "THz": "THz",
    "A3": "Å³",
    "eV": "eV",
    "ms": "ms",
    "fs": "fs",
    "ps": "ps",
    "A": "Å",
    "K": "K",
    "s": "s",
}
_ACRONYMS = frozenset({"mae", "rmse", "rms", "dos"})
#: Steps of the heat colours in site.css: heat-0 to heat-10.
_HEAT_STEPS = 10


@register.filter
def number(value: object, digits: int = 3) -> str:
    """A number with so many decimals; very small and very large ones in powers of ten."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return "not finite"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if value and (abs(value) >= 1e6 or abs(value) < 0.5 * 10**-digits):
        return ("\u2212" if value < 0 else "") + f"{abs(value):.2e}"
    return f"{value:.{digits}f}".replace("-", "\u2212")


@register.filter
def short(value: object, digits: int = 4) -> str:
    """A recorded value in one line: long lists (a curve, say) are counted, not spelt out."""
    if not isinstance(value, list):
        return number(value, digits)
    if len(value) > _LIST_SHOWN or any(isinstance(item, list | dict) for item in value):
        return f"{len(value)} entries, in the API"
    return ", ".join(number(item, digits) for item in value) or NOTHING


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


@register.filter
def plain(value: float) -> str:
    """A number as somebody typed it: 0.5, 2, 120."""
    return f"{value:g}"


@register.filter
def largest_error(anchor: ScoredMetric) -> float:
    """Beyond which nobody has skill, where a task is scored by it."""
    return abs(anchor.bad - anchor.good)


@register.filter
def percent(value: float | None) -> str:
    """A share as whole percent, never rounded up to 100 % or down to 0 %."""
    if value is None:
        return NOTHING
    rounded = round(100 * value)
    if rounded == 100 and value < 1:
        return "> 99 %"
    if rounded == 0 and value > 0:
        return "< 1 %"
    return f"{rounded} %"


@register.filter
def count(value: int | None) -> str:
    """A large count as its authors write it: 412 525 → 412.5 k."""
    if value is None:
        return NOTHING
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.4g} {unit}"
    return str(value)


@register.filter
def time_left(expected_at: datetime) -> str:
    """An estimate, said no more precisely than it is known."""
    if expected_at < timezone.now() + timedelta(minutes=1):
        return "less than a minute left"
    return f"about {timeuntil(expected_at, depth=1)} left"


@register.filter
def span(value: timedelta | None) -> str:
    """A length of time in the unit that fits: 3 s, 12 min, 4.5 h, 2.1 d."""
    if value is None:
        return "unknown"
    seconds = value.total_seconds()
    for unit, size in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.1f}".removesuffix(".0") + " s"


@register.filter
def heat(score: float | None) -> str:
    """The class that colours a score from 0 to 1."""
    if score is None or not math.isfinite(score):
        return ""
    return f"heat-{round(_HEAT_STEPS * min(max(score, 0.0), 1.0))}"


@register.simple_tag
def interval_bar(score: float | None, low: float | None, high: float | None) -> SafeString | str:
    """A score from 0 to 1 as a point with its 95 % interval, on a line from 0 to 1."""
    if score is None:
        return ""
    label = f"{score:.3f}"
    if low is None or high is None:
        low = high = score
    else:
        label += f", 95 % interval {low:.3f} to {high:.3f}"
    return format_html(
        '<svg class="bar" viewBox="0 0 104 8" role="img" aria-label="{}"><title>{}</title>'
        '<line x1="2" x2="102" y1="4" y2="4"/>'
        '<line x1="{}" x2="{}" y1="4" y2="4"/>'
        '<circle cx="{}" cy="4" r="2.6"/></svg>',
        label,
        label,
        *(f"{2 + 100 * min(max(x, 0.0), 1.0):.1f}" for x in (low, high, score)),
    )


@register.filter
def metric(key: str) -> Metric:
    """The catalog's entry of a metric; a bare one for a key that it no longer knows."""
    unknown = Metric(key=key, label=key, unit="", direction=Direction.LOWER, description="")
    return METRICS.get(key, unknown)


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


@register.filter
def unit_name(name: str) -> str:
    """A key that carries its unit, in words: wall_time_s → wall time / s."""
    head, unit = str(name), ""
    for ending, written in _UNITS.items():
        if head.endswith(f"_{ending}"):
            head, unit = head.removesuffix(f"_{ending}"), f" / {written}"
            break
    words = [word.upper() if word in _ACRONYMS else word for word in head.split("_")]
    return " ".join(words) + unit


@register.filter
def key_of(submission: Submission) -> str:
    """How a query string names a submission."""
    return f"{submission.potential.address}:{submission.version}"


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
