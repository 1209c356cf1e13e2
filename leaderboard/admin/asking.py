"""Asks once before something is done that cannot be taken back, and says what it would do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from leaderboard.models import BenchmarkVersion, TaskVersion
from leaderboard.services.definitions import consequences
from leaderboard.services.definitions.version_changes import FieldChange

_Row = TypeVar("_Row")

#: Of many rows, so many are named.
_N_NAMED = 20
#: What a form says of the question, beside what it asks for.
_OF_THE_QUESTION = frozenset({"csrfmiddlewaretoken", "sure"})


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some sentences under a heading; changes of fields, where there are, as a table."""

    heading: str
    sentences: Sequence[str] = ()
    #: Set off from the others: something that is easily overlooked.
    is_warning: bool = False
    changes: Sequence[FieldChange] = ()
    #: Names of the two columns of the changes.
    earlier: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Question:
    title: str
    #: What the button says that does it.
    button: str
    parts: Sequence[Part]
    #: Where one goes who does not want it.
    back: str
    #: What the answer holds for: an answer to another state of things is asked for again.
    about: Any = None

    @property
    def stamp(self) -> str:
        told = json.dumps([self.title, self.about], default=str)
        return hashlib.sha256(told.encode()).hexdigest()[:32]


def question_about(act: str, rows: Sequence[Model], meaning: str, back: str) -> Question:
    """The question before something is done to rows of a list; the first of them are named."""
    n = len(rows)
    return Question(
        title=f"{act} {rows[0]}?" if n == 1 else f"{act} {n} of them?",
        button=act,
        parts=[
            Part(heading="Which", sentences=first_of(rows)),
            Part(heading="What it means", sentences=[meaning], is_warning=True),
        ],
        back=back,
        about=sorted(str(row.pk) for row in rows),
    )


def first_of(
    rows: Sequence[_Row], in_words: Callable[[_Row], str] = lambda row: f"{row}"
) -> list[str]:
    """The first of many, each in words, and how many more there are."""
    more = [f"and {len(rows) - _N_NAMED} more."] if len(rows) > _N_NAMED else []
    return [*map(in_words, rows[:_N_NAMED]), *more]


def question_of_versions(
    do: str, versions: Sequence[TaskVersion | BenchmarkVersion], parts: Sequence[Part], back: str
) -> Question:
    """The question before versions of tasks or benchmarks are published or retired."""
    names = ", ".join(map(str, versions))
    return Question(
        title=f"Publish {names}?" if do == "publish" else f"Retire {names}?",
        button="Publish: frozen from then on" if do == "publish" else "Retire",
        parts=parts,
        back=back,
        about=[consequences.what_is_asked_about(version) for version in versions],
    )


def part_of_changes(
    earlier: TaskVersion | BenchmarkVersion,
    version: TaskVersion | BenchmarkVersion,
    changes: Sequence[FieldChange],
    nothing: str,
) -> Part:
    """What differs from the version before, or the sentence that ``nothing`` does."""
    return Part(
        heading=f"What differs from {earlier}",
        changes=changes,
        sentences=[] if changes else [nothing],
        is_warning=not changes,
        earlier=str(earlier),
        version=str(version),
    )


def ask_first(request: HttpRequest, site: AdminSite, question: Question) -> HttpResponse | None:
    """The page that asks; None where this very question was answered, so that it may be done."""
    answer = request.POST.get("sure")
    if answer == question.stamp:
        return None
    if answer:
        messages.warning(request, "It has changed since you were asked. Please look again.")
    return _page(request, site, question)


def _page(request: HttpRequest, site: AdminSite, question: Question) -> HttpResponse:
    """Its button sends the same form once more, with the answer."""
    sent = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in _OF_THE_QUESTION
        for value in values
    ]
    context = {
        **site.each_context(request),
        "title": question.title,
        "question": question,
        "sent": sent,
    }
    return render(request, "admin/leaderboard/ask.html", context)
