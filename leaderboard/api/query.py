"""Query strings, checked: an unknown or bad parameter is told, never ignored."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from leaderboard.enums import EvaluationState
from leaderboard.lib.moments import past_moment
from leaderboard.services.boards.chemistry import FAMILIES, read_chemistry
from leaderboard.services.boards.filters import (
    BoardFilter,
    read_count,
    read_elements,
    read_yes_or_no,
)

_MAX_TEXT = 500
_ALWAYS_KNOWN = frozenset({"cursor", "page_size", "format"})


class SlugField(serializers.RegexField):
    def __init__(self, **options: Any) -> None:  # noqa: ANN401  (of the field)
        super().__init__(r"^[a-z0-9]+(?:[.-][a-z0-9]+)*\Z", max_length=64, **options)


class PotentialField(serializers.RegexField):
    """A potential as requests name it, or one version of it."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  (of the field)
        slug = r"[a-z0-9]+(?:[.-][a-z0-9]+)*(?:~[0-9a-f]{8})?"
        version = r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}"
        super().__init__(
            rf"^{slug}(?::{version})?\Z",
            max_length=138,
            help_text="Slug or address of a potential, or one version of it (my-potential:1.0).",
            error_messages={
                "invalid": "must be the slug or address of a potential (my-potential), or one "
                "version of it (my-potential:1.0)."
            },
            **options,
        )


def of_potential(name: str, prefix: str = "") -> dict[str, str]:
    """What rows match that are of the submissions which ``PotentialField`` was given."""
    address, colon, version = name.partition(":")
    slug, tilde, tail = address.partition("~")
    lookups = {"potential__slug": slug}
    if tilde:
        lookups["potential__tail"] = tail
    if colon:
        lookups["version"] = version
    return {f"{prefix}{lookup}": value for lookup, value in lookups.items()}


@extend_schema_field(OpenApiTypes.STR)
class MomentField(serializers.Field[datetime, str, Any, Any]):
    """A moment that has passed; a date stands for its end, in UTC."""

    def to_internal_value(self, data: object) -> datetime:
        try:
            return past_moment(str(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


@extend_schema_field(OpenApiTypes.STR)
class Written(serializers.Field[Any, str, Any, Any]):
    """Something that a reader of services/boards/filters.py makes of the text of an address.

    Pages use the same readers, so that one address means the same to both.
    """

    def __init__(self, read: Callable[[str], Any], **options: Any) -> None:  # noqa: ANN401
        self._read = read
        super().__init__(**options)

    def to_internal_value(self, data: object) -> Any:  # noqa: ANN401  (what the reader makes)
        text = str(data)
        if len(text) > _MAX_TEXT:
            raise serializers.ValidationError(f"must not be longer than {_MAX_TEXT} characters.")
        if not text.strip():
            return None
        try:
            return self._read(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error

    def to_representation(self, value: Any) -> str:  # noqa: ANN401
        return str(value)


@extend_schema_field(OpenApiTypes.BOOL)
class YesOrNo(Written):
    """A text that stands for yes or no."""


class NoFilter(serializers.Serializer[Any]):
    """The filter of lists that cannot be narrowed."""


class SubmissionFilter(serializers.Serializer[Any]):
    potential = PotentialField(required=False)
    mine = serializers.BooleanField(required=False, help_text="Only those of your potentials.")


class HistoryFilter(serializers.Serializer[Any]):
    benchmark = SlugField(
        required=False, help_text="Slug of a benchmark; that of the first page by default."
    )


class EvaluationFilter(serializers.Serializer[Any]):
    submission = serializers.UUIDField(required=False, help_text="Id of a submission.")
    potential = PotentialField(required=False)
    task = SlugField(required=False, help_text="Slug of a task.")
    state = serializers.ChoiceField(
        choices=EvaluationState.choices, required=False, help_text="Where it stands."
    )
    superseded = serializers.BooleanField(
        required=False, default=False, help_text="Also those that a re-evaluation has superseded."
    )


class VersionFilter(serializers.Serializer[Any]):
    version = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Number of a version; the current one by default.",
    )


class BoardQuery(VersionFilter):
    """Which board, of when, and which of its rows. Ranks stay those of the whole board."""

    as_of = MomentField(
        required=False,
        help_text="The board as it stood then: 2026-11-20 (the end of the day, UTC) or "
        "2026-11-20T12:00:00Z. With a version, this address never changes its content.",
    )
    elements = Written(read_elements, required=False, help_text="Declared to be supported: Si,O.")
    level_of_theory = serializers.CharField(required=False, max_length=100)
    training_set = serializers.CharField(required=False, max_length=100)
    licence = serializers.CharField(required=False, max_length=100)
    architecture = serializers.CharField(required=False, max_length=100)
    team = SlugField(required=False, help_text="Slug of the team that owns it.")
    hardware = serializers.CharField(
        required=False, max_length=100, help_text="Part of the worker's description: H200, cuda."
    )
    min_parameters = Written(read_count, required=False, help_text="At least: 250000, 250k or 5M.")
    max_parameters = Written(read_count, required=False, help_text="At most: 250000, 250k or 5M.")
    open_weights = YesOrNo(
        read_yes_or_no, required=False, help_text="Under an open licence, or not."
    )
    conservative = YesOrNo(
        read_yes_or_no,
        required=False,
        help_text="Whether forces are declared to be the gradient of the energy.",
    )
    text = serializers.CharField(
        required=False,
        max_length=100,
        help_text="Part of name, version, architecture, licence, training sets or level of theory.",
    )


class BenchmarkBoardQuery(BoardQuery):
    category = serializers.CharField(
        required=False, max_length=64, help_text="Only the tasks of this category."
    )
    chemistry = Written(
        read_chemistry,
        required=False,
        help_text="Judge everybody anew on the systems made of these elements alone, as Si,O, or "
        f"of a family: {', '.join(FAMILIES)}.",
    )


class DiffQuery(VersionFilter):
    since = MomentField(help_text="The earlier moment, as for as_of.")
    until = MomentField(required=False, help_text="The later one; now if left out.")


def board_filter(query: dict[str, Any]) -> BoardFilter:
    """The conditions of a query on rows."""
    names = {f.name for f in dataclasses.fields(BoardFilter)}
    given = {n: value for n, value in query.items() if n in names and value is not None}
    return BoardFilter(**given)


def read_query(
    request: Request, filters: type[serializers.Serializer[Any]], prefix: str = ""
) -> dict[str, Any]:
    """The checked parameters of a request; those that begin with ``prefix`` are left alone."""
    form = filters(data=request.query_params.dict())
    known = _ALWAYS_KNOWN | set(form.fields)
    unknown = {
        name: f"is unknown; known are {', '.join(sorted(known))}."
        for name in request.query_params
        if name not in known and not (prefix and name.startswith(prefix))
    }
    if unknown:
        raise ValidationError(unknown)
    form.is_valid(raise_exception=True)
    checked: dict[str, Any] = form.validated_data
    return checked
