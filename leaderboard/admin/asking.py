"""Asks once before something is done that cannot be taken back, and says what it would do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from leaderboard.services.definitions.version_changes import FieldChange

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
    named = [f"{row}" for row in rows[:_N_NAMED]]
    more = [f"and {n - _N_NAMED} more."] if n > _N_NAMED else []
    return Question(
        title=f"{act} {named[0]}?" if n == 1 else f"{act} {n} of them?",
        button=act,
        parts=[
            Part(heading="Which", sentences=[*named, *more]),
            Part(heading="What it means", sentences=[meaning], is_warning=True),
        ],
        back=back,
        about=sorted(str(row.pk) for row in rows),
    )


def is_answered(request: HttpRequest, question: Question) -> bool:
    """Whether this very question was answered; says so where it was another one."""
    answer = request.POST.get("sure")
    if answer and answer != question.stamp:
        messages.warning(request, "It has changed since you were asked. Please look again.")
    return answer == question.stamp


def ask(request: HttpRequest, site: AdminSite, question: Question) -> HttpResponse:
    """Show the question; its button sends the same form once more, with the answer."""
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
