"""The pages that explain: which there are, and those that are made of the project's own files.

The files are read where they lie in the source, so that a text stands once: for readers of the
source and for those of the site.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse
from django.utils.html import escape
from django.utils.safestring import mark_safe

from leaderboard.exceptions import InfrastructureError
from leaderboard.lib.markdown import Document, document

#: What the files call the service; pages say where they stand.
_EXAMPLE = "https://touchstone.example.org"


@dataclass(frozen=True, kw_only=True)
class DocPage:
    #: Last part of its address; empty for the first page.
    name: str
    label: str
    #: What it tells, in a sentence: for the list of pages and for search engines.
    about: str
    #: The Markdown that it is made of; empty for those that are made of the catalog or of rows.
    source: str = ""

    @property
    def address(self) -> str:
        return reverse("docs") + (f"{self.name}/" if self.name else "")


GROUPS: dict[str, tuple[DocPage, ...]] = {
    "Begin": (
        DocPage(
            name="",
            label="Quick start",
            about="Submit an interatomic potential in the browser, from the command line or by "
            "REST, and what happens then.",
        ),
        DocPage(
            name="artifacts",
            label="What you can submit",
            about="Each kind of file with examples, what a calculator must answer, and what the "
            "messages of a check mean.",
            source="docs/artifacts.md",
        ),
        DocPage(
            name="own-runtime",
            label="Your own runtime",
            about="Submit a potential of a family that is not here: bring a lock of its packages, "
            "in ten lines of curl.",
            source="docs/own_runtime.md",
        ),
    ),
    "Understand": (
        DocPage(
            name="scores",
            label="How scores are made",
            about="From records to metrics, scores and ranks: anchors, failures, coverage, "
            "bootstrap intervals, ties and levels of theory.",
            source="docs/scores.md",
        ),
        DocPage(
            name="protocols",
            label="Protocols",
            about="How each quantity is measured: the protocols with their parameters, metrics "
            "and records, and the tasks that use them.",
        ),
        DocPage(
            name="metrics",
            label="Metrics",
            about="The form of every metric, which way is better, and its known faults.",
            source="evaluator/metrics/README.md",
        ),
        DocPage(
            name="dynamics",
            label="Molecular dynamics",
            about="What the tasks of molecular dynamics measure, and how the integrators, failures "
            "and intervals are known to be right.",
            source="docs/dynamics.md",
        ),
        DocPage(
            name="published-numbers",
            label="Published numbers",
            about="Errors that others have published about potentials, computed again here on the "
            "same structures.",
            source="docs/published_numbers.md",
        ),
        DocPage(
            name="verdicts",
            label="Verdicts",
            about="Every way in which an evaluation can end, what it means, and what to do.",
        ),
    ),
    "Use": (
        DocPage(
            name="choosing",
            label="Choosing a potential",
            about="How the advisor ranks potentials for a simulation and estimates hours and "
            "memory; comparisons and correlations.",
            source="docs/choosing.md",
        ),
        DocPage(
            name="api",
            label="REST API",
            about="Tokens, submissions, uploads in parts, events, webhooks, tables, boards of "
            "another day, badges, feeds, limits and errors.",
            source="docs/api.md",
        ),
        DocPage(
            name="cli",
            label="Command line, Python",
            about="From a file to a score with the command touchstone, its exit codes, and the "
            "Python client.",
            source="docs/cli.md",
        ),
        DocPage(
            name="cite",
            label="Cite",
            about="BibTeX for this service, for a board as of a date with its permanent address, "
            "for reference sets and potentials; licences of the data.",
        ),
    ),
    "Run": (
        DocPage(
            name="worker",
            label="Run a worker",
            about="Set up the service or a worker: parts, sandbox levels, GPUs, and every setting.",
            source="deploy/README.md",
        ),
        DocPage(
            name="administration",
            label="Administration",
            about="Upload reference sets, define tasks, compose benchmarks and run the queue at "
            "the administrator's desk, or from git.",
            source="docs/administration.md",
        ),
        DocPage(
            name="reference-files",
            label="Reference files",
            about="What a file of reference values may hold, by example: the units, orders and "
            "signs to choose from, what is doubted, and the message of each refusal.",
            source="docs/reference_files.md",
        ),
        DocPage(
            name="changelog",
            label="Changelog",
            about="What changed for those who use Touchstone, version by version.",
            source="CHANGELOG.md",
        ),
    ),
}
PAGES: dict[str, DocPage] = {page.name: page for pages in GROUPS.values() for page in pages}
ENVIRONMENT = "deploy/environment.example"


class MissingFile(InfrastructureError):
    """A file of the source that an installation lacks."""


def read(page: DocPage, site: str) -> Document:
    """The page's document, whose examples speak to ``site`` (as https://host). MissingFile."""
    made = _document(page.source, _changed(page.source))
    html = made.html.replace(_EXAMPLE, escape(site))
    return Document(title=made.title, html=mark_safe(html), headings=made.headings)  # noqa: S308


def text_of(source: str) -> str:
    """A file of the source as it is. MissingFile."""
    _changed(source)
    return (settings.BASE_DIR / source).read_text(encoding="utf-8")


def linked(source: str, address: str) -> str | None:
    """Where a link in a file leads on the site; None for files that are no pages."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return address
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), parts.path))
    place = dict(_places()).get(path)
    if place is None or not parts.fragment:
        return place
    return f"{place}#{parts.fragment}"


def _places() -> Iterator[tuple[str, str]]:
    for page in PAGES.values():
        if page.source:
            yield page.source, page.address
    yield ENVIRONMENT, f"{PAGES['worker'].address}#settings"


def _changed(source: str) -> int:
    try:
        return (settings.BASE_DIR / source).stat().st_mtime_ns
    except OSError as error:
        raise MissingFile(
            f"{source} is not below {settings.BASE_DIR}: pages under /docs/ are made of the files "
            "of the source, so the service must run from a checkout."
        ) from error


@lru_cache(maxsize=64)
def _document(source: str, changed_ns: int) -> Document:
    del changed_ns  # of the key: a file that changes is read again
    return document(text_of(source), lambda address: linked(source, address))
