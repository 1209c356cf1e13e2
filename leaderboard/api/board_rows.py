"""Rows of boards as plain values, in the shape of the records that document them.

Serializers would take seconds for thirty thousand cells. Here a record says once what is read of
every row; the values are given as they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.reverse import reverse

from leaderboard.api.serializers.fields import Link, Record, SubmissionLink
from leaderboard.services.boards.entrants import Entrant

_ANY_ID, _ANY_SLUG = str(uuid.UUID(int=0)), "a"

_Convert = Callable[[Any], Any]


def written(record: type[Record], rows: Iterable[Any], request: Request) -> list[dict[str, Any]]:
    """Write each row as ``record`` describes it; its submission is an entrant."""
    write = _writer(record(), Links(request))
    return [write(row) for row in rows]


class Links:
    """Addresses in the API, made without asking for each how addresses are made."""

    def __init__(self, request: Request) -> None:
        self._evaluation = self._around(request, "evaluation", _ANY_ID)
        self._submission = self._around(request, "submission", _ANY_ID)
        self._potential = self._around(request, "potential", _ANY_SLUG)

    @staticmethod
    def _around(request: Request, name: str, key: str) -> tuple[str, str]:
        before, _, after = reverse(f"api:{name}", args=[key], request=request).rpartition(key)
        return before, after

    def evaluation(self, pk: uuid.UUID | str) -> str:
        return str(pk).join(self._evaluation)

    def submission(self, entrant: Entrant) -> dict[str, Any]:
        return {
            "id": entrant.submission,
            "url": entrant.submission.join(self._submission),
            "version": entrant.version,
            "potential": {
                "slug": entrant.slug,
                "name": entrant.name,
                "url": entrant.slug.join(self._potential),
                "level_of_theory": entrant.level_of_theory,
                "is_baseline": entrant.is_baseline,
            },
        }


def _writer(record: serializers.Serializer[Any], links: Links) -> _Convert:
    """What writes a value of a record with two fields or more."""
    names = list(record.fields)
    read = attrgetter(*(str(field.source) for field in record.fields.values()))
    converted = [(name, _conversion(field, links)) for name, field in record.fields.items()]
    conversions = [(name, convert) for name, convert in converted if convert is not None]

    def write(row: Any) -> dict[str, Any]:  # noqa: ANN401  (whatever has these attributes)
        values: dict[str, Any] = dict(zip(names, read(row), strict=True))
        for name, convert in conversions:
            if (value := values[name]) is not None:
                values[name] = convert(value)
        return values

    return write


def _conversion(field: Any, links: Links) -> _Convert | None:  # noqa: ANN401  (field or record)
    """How the value of a field is written, where not as it is."""
    match field:
        case serializers.ListSerializer(child=serializers.Serializer() as child):
            each = _writer(child, links)
            return lambda rows: [each(row) for row in rows]
        case serializers.DictField(child=serializers.Serializer() as child):
            of_key = _writer(child, links)
            return lambda by_key: {key: of_key(value) for key, value in by_key.items()}
        case SubmissionLink():
            return links.submission
        case serializers.Serializer():
            return _writer(field, links)
        case Link():
            return links.evaluation
    return None
