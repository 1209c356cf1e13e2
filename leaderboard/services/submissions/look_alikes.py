"""Which potential's name could be taken for an older one's, of other people.

Nothing is refused for it: names of two people do look alike. The mark stands beside the name on
boards and pages, and in the staff's list. It is made when a potential is named and when it first
shows itself, among those that everybody sees: a private one is told to nobody by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import Exists, OuterRef, Q

from leaderboard.lib.names import fault_of, mixed_letters, skeleton
from leaderboard.models import Potential, Submission


def mark(potential: Potential) -> str:
    """Note the slug of the older potential that this one resembles; empty for none. Returns it."""
    resembled = _resembled(potential, _others(potential))
    if resembled != potential.resembles:
        potential.resembles = resembled
        Potential.objects.filter(pk=potential.pk).update(resembles=resembled)
    return resembled


def faults() -> Iterator[tuple[Potential, str]]:
    """Potentials whose names the rules of today would refuse or mark, each with the reason."""
    for potential in Potential.objects.order_by("created_at", "pk"):
        if fault := fault_of(potential.name):
            yield potential, fault
        if mixed := mixed_letters(potential.name):
            yield potential, f"Letters of another script among Latin ones: {' '.join(mixed)}"
        if potential.resembles:
            yield potential, f"Its name looks like that of {potential.resembles}."


def mark_all() -> None:
    """Mark every potential anew, the older of two keeping its name without a mark."""
    seen: list[Potential] = []
    for potential in Potential.objects.order_by("created_at", "pk"):
        older = ((p.slug, p.name) for p in seen if not _same_people(p, potential))
        resembled = _resembled(potential, older)
        if resembled != potential.resembles:
            Potential.objects.filter(pk=potential.pk).update(resembles=resembled)
        if Submission.objects.all().standing().filter(potential=potential).exists():
            seen.append(potential)


def _others(potential: Potential) -> Iterable[tuple[str, str]]:
    """Slug and name of what everybody sees, of other people, the oldest first."""
    shown = Submission.objects.all().standing().filter(potential=OuterRef("pk"))
    own = (
        Q(team=potential.team_id)
        if potential.team_id
        else Q(owner=potential.owner_id, team__isnull=True)
    )
    rows = Potential.objects.filter(Exists(shown)).exclude(own).exclude(pk=potential.pk)
    return rows.order_by("created_at", "pk").values_list("slug", "name").iterator()


def _same_people(a: Potential, b: Potential) -> bool:
    if a.team_id or b.team_id:
        return a.team_id == b.team_id
    return a.owner_id == b.owner_id


def _resembled(potential: Potential, others: Iterable[tuple[str, str]]) -> str:
    ours = {skeleton(potential.name), skeleton(potential.slug)} - {""}
    for slug, name in others:
        if ours & {skeleton(name), skeleton(slug)}:
            return slug
    return ""
