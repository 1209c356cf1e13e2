"""What the views share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model, QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from leaderboard.api.pagination import Pages
from leaderboard.api.tables import (
    CSVRenderer,
    JSONLinesRenderer,
    LaTeXRenderer,
    ParquetRenderer,
    XLSXRenderer,
)

_Row = TypeVar("_Row", bound=Model)

TABLES_TOO: list[type[BaseRenderer]] = [
    JSONRenderer,
    CSVRenderer,
    JSONLinesRenderer,
    ParquetRenderer,
    XLSXRenderer,
    LaTeXRenderer,
]

#: Of a view's method, for the schema.
Documented = Callable[[Callable[..., Response]], Callable[..., Response]]


def described(
    tag: str,
    summary: str,
    answer: object,
    **options: Any,  # noqa: ANN401  (see extend_schema)
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Document one operation: its group, a line about it, what it answers."""
    return extend_schema(tags=[tag], summary=summary, responses=answer, **options)


def user_of(request: Request) -> User | AnonymousUser:
    return request.user


def signed_in(request: Request) -> User:
    """The user of a view whose permissions let nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101  (tells mypy what the permissions say)
    return request.user


def one(rows: QuerySet[_Row], what: str, **lookup: object) -> _Row:
    """The row, or 404 with a sentence that tells what was looked for."""
    row = rows.filter(**lookup).first()
    if row is None:
        raise Http404(f"There is no {what} that you may see.")
    return row


class PagedView(APIView):
    """A view whose GET answers a list in pages."""

    pagination_class: type[Pages] = Pages


def paged(
    view: PagedView,
    rows: QuerySet[Any],
    serializer: type[BaseSerializer[Any]],
    **context: Any,  # noqa: ANN401  (whatever the serializer asks for)
) -> Response:
    """One page of a list."""
    pages = view.pagination_class()
    page = pages.paginate_queryset(rows, view.request, view)
    data = serializer(page, many=True, context={"request": view.request, **context}).data
    return pages.get_paginated_response(data)


class ByTime(Pages):
    ordering = "-created_at"


class ByAddress(Pages):
    ordering = "address"


class BySlug(Pages):
    ordering = "slug"


class ByQueueTime(Pages):
    ordering = "-queued_at"
