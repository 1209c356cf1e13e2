"""Lists in pages: ``{"next": url, "previous": url, "results": [...]}``."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import DataError
from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

_Row = TypeVar("_Row", bound=Model)


class Pages(CursorPagination):
    """Pages by cursor: rows that are added meanwhile neither repeat nor hide others."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[_Row], request: Request, view: APIView | None = None
    ) -> list[_Row] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (DjangoValidationError, DataError, ValueError, TypeError) as error:
            # A cursor is base64 of a position; a forged one reaches the database as a bad value.
            if self.cursor_query_param not in request.query_params:
                raise
            raise NotFound("This cursor is not valid. Start again without it.") from error

    def get_page_size(self, request: Request) -> int | None:
        text = request.query_params.get(self.page_size_query_param or "", str(self.page_size))
        limit = self.max_page_size or 0
        if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= limit):
            raise ValidationError(
                {"page_size": f"{text[:20]!r} must be a whole number from 1 to {limit}."}
            )
        return int(text)


class SystemPages(Pages):
    page_size = 200
    max_page_size = 1000


def whole(rows: Any) -> dict[str, Any]:  # noqa: ANN401  (rows as JSON)
    """A short list in the shape of a page."""
    return {"next": None, "previous": None, "results": rows}
