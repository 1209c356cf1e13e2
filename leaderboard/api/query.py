"""Query strings, checked: an unknown or bad parameter is told, never ignored."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from leaderboard.enums import EvaluationState

_ALWAYS_KNOWN = frozenset({"cursor", "page_size", "format"})


class SlugField(serializers.RegexField):
    def __init__(self, **options: Any) -> None:  # noqa: ANN401  (of the field)
        super().__init__(r"^[a-z0-9]+(?:[.-][a-z0-9]+)*\Z", max_length=64, **options)


class NoFilter(serializers.Serializer[Any]):
    """For lists that cannot be narrowed."""


class SubmissionFilter(serializers.Serializer[Any]):
    potential = SlugField(required=False, help_text="Slug of a potential.")
    mine = serializers.BooleanField(required=False, help_text="Only those of your potentials.")


class EvaluationFilter(serializers.Serializer[Any]):
    submission = serializers.UUIDField(required=False, help_text="Id of a submission.")
    potential = SlugField(required=False, help_text="Slug of a potential.")
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
