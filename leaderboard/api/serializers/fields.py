"""Pieces that several serializers share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

_MAX_TEXT = 10_000
#: How many unknown fields are named, and how much of each name.
_MOST_UNKNOWN, _MOST_OF_A_NAME = 20, 100


class Record(serializers.Serializer[Any]):
    """An answer: every field is read, none is written."""


class StrictRequest(serializers.Serializer[Any]):
    """A request body that refuses fields it does not know, rather than ignoring them."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = self.initial_data if isinstance(self.initial_data, Mapping) else {}
        if unknown := unknown_fields(self, given):
            raise serializers.ValidationError(unknown)
        return attrs


def unknown_fields(form: serializers.Serializer[Any], given: Mapping[Any, Any]) -> dict[str, str]:
    """A sentence for each of the first fields that a request does not have."""
    unknown = (str(name) for name in given if name not in form.fields)
    first = [name[:_MOST_OF_A_NAME] for name in islice(unknown, _MOST_UNKNOWN)]
    return {name: f"is unknown; known are {', '.join(form.fields)}." for name in first}


def read_loosely(form: StrictRequest) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the fields that are right, and a sentence for each that is wrong or lacking."""
    if form.is_valid():
        return dict(form.validated_data), {}
    given = form.initial_data
    if not isinstance(given, Mapping):
        form.is_valid(raise_exception=True)
    right: dict[str, Any] = {}
    wrong = unknown_fields(form, given)
    for name, field in form.fields.items():
        try:
            right[name] = field.run_validation(field.get_value(given))
        except serializers.SkipField:
            continue
        except serializers.ValidationError as error:
            # Several are told in one sentence, where "this" says nothing.
            told = flat_errors(name, error.detail)
            wrong |= {place: text.replace("This field", place, 1) for place, text in told}
    return right, wrong


def flat_errors(name: str, detail: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  (nested JSON)
    """Dotted names of fields, each with what is wrong with it."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            part = "" if key == "non_field_errors" else str(key)
            yield from flat_errors(f"{name}.{part}".strip("."), value)
    elif isinstance(detail, list):
        for value in detail:
            yield from flat_errors(name, value)
    else:
        yield name, str(detail)


class Link(serializers.HyperlinkedRelatedField[Any]):
    """The address of the row's own resource, or of that at ``source`` (None: the field's name)."""

    def __init__(
        self,
        view_name: str,
        lookup_field: str = "pk",
        *,
        lookup_url_kwarg: str | None = None,
        source: str | None = "*",
        allow_null: bool = False,
        help_text: str = "",
    ) -> None:
        super().__init__(
            view_name=f"api:{view_name}",
            lookup_field=lookup_field,
            lookup_url_kwarg=lookup_url_kwarg or lookup_field,
            read_only=True,
            source=source,
            allow_null=allow_null,
            help_text=help_text or None,
        )

    def use_pk_only_optimization(self) -> bool:
        return False

    def to_representation(self, value: Any) -> Any:  # noqa: ANN401  (an address or None)
        # DRF's own subclass of str is refused as a header's value by strict WSGI servers.
        address = super().to_representation(value)
        return None if address is None else str(address)


def read_json(text: str) -> Any:  # noqa: ANN401  (any JSON)
    """Parse JSON that came as text within a form; ValidationError says what is wrong."""
    if len(text) > _MAX_TEXT:
        raise serializers.ValidationError(f"is longer than {_MAX_TEXT} characters.")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise serializers.ValidationError("is nested too deeply.") from error
    except ValueError as error:
        raise serializers.ValidationError(f"is no JSON: {error}.") from error
    _check_text(value)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _check_text(value: object) -> None:
    """PostgreSQL stores neither NUL nor half of a surrogate pair."""
    plain = json.dumps(value, ensure_ascii=False)
    has_surrogate = any("\ud800" <= c <= "\udfff" for c in plain)
    if "\\u0000" in plain or has_surrogate:
        raise serializers.ValidationError("holds a character that cannot be stored.")


@extend_schema_field(OpenApiTypes.STR)
class JSONObjectText(serializers.Field[dict[str, Any], str, Any, Any]):
    """A JSON object, as the text of a form field."""

    def to_internal_value(self, data: object) -> dict[str, Any]:
        value = read_json(data) if isinstance(data, str) and data.strip() else {}
        if not isinstance(value, dict):
            raise serializers.ValidationError('must be a JSON object, e.g. {"dtype": "float32"}.')
        return value

    def to_representation(self, value: Any) -> Any:  # noqa: ANN401
        return json.dumps(value)


@extend_schema_field(OpenApiTypes.STR)
class ListText(serializers.Field[list[str] | None, str, Any, Any]):
    """Words as the text of a form field: a JSON list, or separated by commas. Empty is None."""

    def to_internal_value(self, data: object) -> list[str] | None:
        text = str(data).strip()
        if not text:
            return None
        if text.startswith(("[", "{", '"')):
            value = read_json(text)
            if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
                raise serializers.ValidationError('must be a list of texts, ["Si", "O"].')
            return value
        return [
            symbol.strip() for symbol in serializers.CharField().run_validation(text).split(",")
        ]

    def to_representation(self, value: Any) -> Any:  # noqa: ANN401
        return value


@extend_schema_field({"type": "object", "additionalProperties": {}})
class PlainObject(serializers.Field[dict[str, Any], object, Any, Any]):
    """A JSON object within a JSON body."""

    def to_internal_value(self, data: object) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError('must be a JSON object, e.g. {"dtype": "float32"}.')
        _check_text(data)
        return data

    def to_representation(self, value: Any) -> Any:  # noqa: ANN401
        return value


class JSONObject(serializers.JSONField):
    """Free JSON whose keys carry their units."""


class ProgressRecord(Record):
    done = serializers.IntegerField(source="progress_done", help_text="Systems finished.")
    total = serializers.IntegerField(source="progress_total", help_text="Systems in all.")
    calls = serializers.IntegerField(
        source="progress_calls", help_text="Force calls answered in this phase."
    )
    expected_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When the last system should be done; null while too little is known.",
    )


class PotentialLink(Record):
    slug = serializers.CharField()
    name = serializers.CharField()
    url = Link("potential", "address", lookup_url_kwarg="slug")
    level_of_theory = serializers.CharField()
    is_baseline = serializers.BooleanField()


class SubmissionLink(Record):
    id = serializers.UUIDField()
    url = Link("submission")
    version = serializers.CharField()
    potential = PotentialLink()


class TaskVersionLink(Record):
    slug = serializers.CharField(source="task.slug")
    name = serializers.CharField(source="task.name")
    version = serializers.IntegerField(source="number")
    url = Link("task", "slug", source="task")
