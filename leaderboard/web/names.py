"""Names of potentials: cut to a length, offered by a field that takes them, or compared."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from leaderboard.lib.names import mixed_letters
from leaderboard.models import Submission


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def version_html(
    *,
    slug: str,
    name: str,
    submission: str,
    version: str,
    grades: str = "",
    is_baseline: bool = False,
    is_private: bool = False,
    is_withdrawn: bool = False,
    by: str = "",
    resembles: str = "",
) -> str:
    """A potential's name and its version, both links, with the marks that every page shows.

    ``grades`` is HTML that stands before the other marks, ``by`` who answers for it, and
    ``resembles`` the slug of an older potential whose name it could be taken for.
    """
    marks = grades + caution_html(name, resembles)
    if is_baseline:
        marks += ' <span class="badge">baseline</span>'
    if is_private:
        marks += ' <span class="badge warn">private</span>'
    if is_withdrawn:
        marks += ' <span class="badge warn">withdrawn</span>'
    return (
        f'<a href="/potentials/{escape(slug)}/"><bdi>{escape(name)}</bdi></a> '
        f'<a class="version" href="/submissions/{escape(submission)}/">'
        f"<bdi>{escape(version)}</bdi></a>{marks}{by_html(by)}"
    )


def by_html(name: str) -> str:
    """Who answers for a potential: its team, else its owner."""
    return f' <span class="by">by <bdi>{escape(name)}</bdi></span>' if name else ""


def caution_html(name: str, resembles: str) -> str:
    """Marks of a name that could be taken for another's, in words and not by colour alone."""
    marks = ""
    if resembles:
        marks += (
            f' <a class="badge warn" href="/potentials/{escape(resembles)}/" title="Another '
            f'potential, of other people, has a name that looks like this one">not '
            f"{escape(resembles)}</a>"
        )
    if mixed := mixed_letters(name):
        letters = escape(" ".join(mixed))
        marks += (
            f' <span class="badge warn" title="Letters of another script that look like Latin '
            f'ones: {letters}">mixed letters</span>'
        )
    return marks


def key_of(submission: Submission) -> str:
    """How a query string names a submission."""
    return f"{submission.potential.address}:{submission.version}"


def compare_address(keys: Iterable[str]) -> str:
    """The page that compares submissions, each named as a query names it."""
    return f"{reverse('compare')}?{urlencode([('p', key) for key in keys])}"


def options(names: Iterable[tuple[str, str]]) -> SafeString:
    """Options of a ``datalist``: what the field is to hold, and what it stands for."""
    parts = (f'<option value="{escape(key)}">{escape(title)}</option>' for key, title in names)
    return mark_safe("".join(parts))  # noqa: S308  (escaped)
