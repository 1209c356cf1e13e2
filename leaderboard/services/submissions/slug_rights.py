"""Whose a slug is: its holder's among his own, and everybody's once a version was public.

That somebody's private potential has a slug is told to nobody else; the first that becomes public
under it holds it. What is asked here is asked again by constraints in the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from leaderboard.exceptions import ConflictError
from leaderboard.models import Potential


def refuse_taken(potential: Potential) -> None:
    """Raise ConflictError where a new slug is public, or its holder's other potential has it."""
    if _same_slug(potential).filter(holds_slug=True).exists():
        raise _is_taken(potential)
    _refuse_own(potential)


@contextmanager
def saved(potential: Potential, *, is_new: bool) -> Iterator[None]:
    """Around a save under a slug that ``is_new``, or as before. Raises ConflictError.

    The reason is asked for before; of a race the constraints tell.
    """
    if is_new:
        refuse_taken(potential)
    else:
        _refuse_own(potential)
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "_per_slug" not in str(error):
            raise
        raise _is_own(potential) from error


def refuse_public(potential: Potential) -> None:
    """Raise ConflictError where another potential was public under this slug first."""
    if _same_slug(potential).filter(holds_slug=True).exists():
        # One that is not registered yet has no address, and needs none: another slug is enough.
        raise _is_anothers(potential) if potential.pk else _is_taken(potential)


@contextmanager
def made_public(potential: Potential) -> Iterator[None]:
    """Around what makes a version public: a trigger then gives the slug to its potential."""
    refuse_public(potential)
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if "address" not in str(error):
            raise
        raise _is_anothers(potential) from error


def _same_slug(potential: Potential) -> QuerySet[Potential]:
    return Potential.objects.filter(slug=potential.slug).exclude(pk=potential.pk)


def _refuse_own(potential: Potential) -> None:
    if _same_slug(potential).filter(_held_as(potential)).exists():
        raise _is_own(potential)


def _is_taken(potential: Potential) -> ConflictError:
    return ConflictError(
        {"slug": f"A potential named {potential.slug} is there already. Choose another slug."}
    )


def _is_own(potential: Potential) -> ConflictError:
    holder = f"The team {potential.team.slug}" if potential.team else potential.owner.username
    return ConflictError({"slug": f"{holder} has a potential {potential.slug} already."})


def _is_anothers(potential: Potential) -> ConflictError:
    return ConflictError(
        {
            "potential": f"Another potential was public as {potential.slug} before this one. Give "
            f'yours another slug, with "Edit the card" on its page or a PATCH of "slug" at '
            f"/api/v1/potentials/{potential.address}/, and repeat this."
        }
    )


def _held_as(potential: Potential) -> Q:
    if potential.team_id:
        return Q(team=potential.team_id)
    return Q(owner=potential.owner_id, team__isnull=True)
