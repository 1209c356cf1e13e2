"""The advisor: which potential for a simulation. A form whose answer stands in the address."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from leaderboard.charts import Chart
from leaderboard.charts.pareto import ParetoPoint, pareto_chart
from leaderboard.exceptions import SubmissionError
from leaderboard.models import BenchmarkVersion
from leaderboard.services.advice.question import ANY_CPU, ANY_GPU, NAMES, Wishes, wishes_from_query
from leaderboard.services.advice.recommendation import (
    Candidate,
    Group,
    Recommendation,
    board_version,
    recommend,
)
from leaderboard.services.advice.speed import measured_hardware
from leaderboard.services.boards.rules import WEIGHT_PREFIX
from leaderboard.web.names import compare_address

#: Rows of each part of the page; all of them are in the API.
MAX_ROWS = 40
MAX_CARDS = 3
#: Points of the picture; those of the front are all drawn.
MAX_DRAWN = 150

_EXAMPLE = {
    "elements": "Li,P,S",
    "n_atoms": 10000,
    "duration": 1,
    "duration_unit": "ns",
    "temperature_K": 600,
    "hardware": "gpu",
    "licence": "open",
}
_HEADINGS = {
    Group.UNTIMED: "Can do it, not timed on this hardware",
    Group.UNJUDGED: "Can do it, without a rank",
    Group.UNKNOWN: "Elements unknown",
    Group.OUT: "Out, and why",
}


@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """Bad input is answered with the whole form, what was typed, and a sentence each (HTTP 400)."""
    version = board_version()
    errors: dict[str, str] = {}
    wishes, recommendation = Wishes(), None
    is_asked = bool(request.GET)
    try:
        wishes = wishes_from_query(request.GET)
        if version is not None and is_asked:
            recommendation = recommend(wishes, version, user=request.user)
    except SubmissionError as error:
        errors = error.errors
    context = {
        "wishes": wishes,
        "typed": {name: request.GET.get(name, _default(wishes, name)) for name in NAMES},
        "errors": errors,
        "other_errors": {n: e for n, e in errors.items() if n not in NAMES},
        "version": version,
        "found": recommendation,
        "is_answered": recommendation is not None,
        "hardware": measured_hardware() if recommendation is None else recommendation.hardware,
        "weights": _weights(request, version) if version else [],
        "any_gpu": ANY_GPU,
        "any_cpu": ANY_CPU,
        "example": "?" + urlencode(_EXAMPLE, safe=","),
        "api_query": urlencode(list(request.GET.items())),
    }
    if recommendation is not None:
        context |= _answer(recommendation)
        context["elsewhere"] = _elsewhere(request, recommendation)
    return render(request, "choose.html", context, status=400 if errors else 200)


def _answer(recommendation: Recommendation) -> dict[str, object]:
    chosen = recommendation.of(Group.RECOMMENDED)
    # Without a time nobody can say that they fit; their scores say who does it well.
    able = [c for c in recommendation.of(Group.UNTIMED) if c.row.rank is not None]
    best = (chosen or able)[:MAX_CARDS]
    return {
        "best": best,
        "compare_best": compare_address(c.row.entrant.key for c in best),
        "n_able": len(able),
        "lines": chosen[:MAX_ROWS],
        "n_chosen": len(chosen),
        "others": [
            (group, heading, rows[:MAX_ROWS], len(rows))
            for group, heading in _HEADINGS.items()
            if (rows := recommendation.of(group))
        ],
        "chemistry_query": urlencode(
            {"chemistry": ",".join(recommendation.wishes.elements)}, safe=","
        )
        if recommendation.chemistry
        else "",
        "max_rows": MAX_ROWS,
        "max_drawn": MAX_DRAWN,
        "chart": _chart(_drawn(chosen)),
    }


def _elsewhere(request: HttpRequest, recommendation: Recommendation) -> str:
    """Ask the question again for the hardware that most were timed on.

    Empty where hours are told.
    """
    if recommendation.chosen_hardware or not recommendation.hardware:
        return ""
    asked = request.GET.copy()
    asked["hardware"] = recommendation.hardware[0].key
    return f"?{asked.urlencode()}"


def _drawn(chosen: list[Candidate]) -> list[Candidate]:
    """The best ones, and those on the front: more points hide each other."""
    return [c for n, c in enumerate(chosen) if n < MAX_DRAWN or c.is_on_front]


def _chart(chosen: list[Candidate]) -> Chart | None:
    points = [
        ParetoPoint(
            name=c.row.entrant.title[:60],
            cost=c.estimate.hours,
            score=c.row.overall,
            low=c.row.low,
            high=c.row.high,
            is_on_front=c.is_on_front,
            url=f"/potentials/{c.row.entrant.slug}/",
        )
        for c in chosen
        if c.estimate is not None and c.row.overall is not None
    ]
    return pareto_chart(points, "hours", "Accuracy against time") if len(points) > 1 else None


def _weights(request: HttpRequest, version: BenchmarkVersion) -> list[tuple[str, str, str]]:
    """For each category: the field's name, its words, and what stands in it."""
    weights = {e.category: e.category_weight for e in version.entries.all()}
    return [
        (WEIGHT_PREFIX + name, name, request.GET.get(WEIGHT_PREFIX + name, f"{weight:g}"))
        for name, weight in weights.items()
    ]


def _default(wishes: Wishes, name: str) -> str:
    """What an empty form shows."""
    value = getattr(wishes, name)
    if value is None or value == ():
        return ""
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
