"""BibTeX of what can be cited: the service, a board of some day, a reference set, a potential."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from importlib.metadata import PackageNotFoundError, version
from urllib.parse import quote

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from leaderboard.lib.moments import past_moment
from leaderboard.models import Benchmark, BenchmarkVersion, ReferenceSet
from leaderboard.services.definitions.published import published_benchmarks, reference_sets_in_use

_PUBLISHER = "{The Touchstone developers}"
_TEX = re.compile(r"[\\{}%&#_$~^]")
_KEY = re.compile(r"[^A-Za-z0-9.:-]+")


@dataclass(frozen=True, kw_only=True)
class CitedBoard:
    """What the form asked for and what came of it."""

    benchmarks: list[Benchmark] = field(default_factory=list)
    slug: str = ""
    as_of: str = ""
    #: Empty with a complaint, and on a site without benchmarks.
    address: str = ""
    bibtex: str = ""
    complaint: str = ""


def entry(key: str, fields: Mapping[str, str]) -> str:
    """A @misc entry of the fields that are not empty; their values are TeX already."""
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{_KEY.sub('-', key)},", *lines, "}"])


def tex(text: str) -> str:
    """One line in which nothing is a command; braces come out even."""
    one_line = " ".join(text.split())
    return _TEX.sub(lambda match: "" if match[0] in "\\{}~^" else f"\\{match[0]}", one_line)


def verbatim(address: str) -> str:
    """An address as \\url takes it: nothing is escaped, and braces come out even."""
    return re.sub(r"[\\{}\s]", lambda match: quote(match[0]), address)


def service(site: str) -> str:
    today = timezone.now()
    return entry(
        "touchstone",
        {
            "author": _PUBLISHER,
            "title": "{Touchstone: a public leaderboard that runs interatomic potentials itself}",
            "year": str(today.year),
            "version": _version(),
            "url": verbatim(f"{site}/"),
            "note": f"Accessed {today:%Y-%m-%d}",
        },
    )


def cited_board(asked: Mapping[str, str], site: str) -> CitedBoard:
    """The version of a benchmark that was current on a day, by the address that keeps the day."""
    benchmarks = list(published_benchmarks())
    slug, as_of = asked.get("benchmark", "").strip(), asked.get("as_of", "").strip()
    if not slug:
        slugs = [b.slug for b in benchmarks]
        default = settings.DEFAULT_BENCHMARK
        slug = default if default in slugs else next(iter(slugs), "")
    form = CitedBoard(benchmarks=benchmarks, slug=slug, as_of=as_of)
    chosen = next((b for b in benchmarks if b.slug == slug), None)
    if chosen is None:
        return replace(form, complaint="Choose one of the benchmarks." if slug else "")
    try:
        moment = past_moment(as_of) if as_of else timezone.now()
    except ValueError as error:
        return replace(form, complaint=f"The day {error}")
    current = chosen.version_at(moment)
    if current is None:
        return replace(form, complaint=f"{chosen.name} was not published by then.")
    page = reverse("benchmark", args=[slug, current.number])
    address = f"{site}{page}?as_of={_written(moment)}"
    return replace(form, address=address, bibtex=_of_board(current, moment, address))


def reference_sets() -> list[tuple[ReferenceSet, str]]:
    """Reference sets that published tasks rest on, with their entries."""
    return [(row, _of_reference(row)) for row in reference_sets_in_use()]


def _of_board(current: BenchmarkVersion, moment: datetime, address: str) -> str:
    benchmark = current.benchmark
    return entry(
        f"touchstone-{benchmark.slug}-{current.number}-{moment:%Y-%m-%d}",
        {
            "author": _PUBLISHER,
            "title": f"{{{tex(benchmark.name)}, version {current.number}, "
            f"as of {moment:%Y-%m-%d}}}",
            "year": str(moment.year),
            "howpublished": "Touchstone, a leaderboard of interatomic potentials",
            "url": verbatim(address),
        },
    )


def _of_reference(row: ReferenceSet) -> str:
    return entry(
        f"{row.slug}-{row.version}",
        {
            "title": f"{{{tex(row.title)}, version {tex(row.version)}}}",
            "url": verbatim(row.url),
            "note": f"After {tex(row.citation.rstrip('. '))}. SHA-256 {row.sha256}",
        },
    )


def _written(moment: datetime) -> str:
    """A day where it is the end of one, as readers type it; else the moment."""
    is_day = moment.time() == time.max
    return f"{moment:%Y-%m-%d}" if is_day else f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _version() -> str:
    try:
        return version("touchstone-mlip")
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return ""
