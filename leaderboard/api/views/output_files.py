"""Output files of evaluations: the list, and the bytes."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.http import FileResponse, Http404, HttpResponse
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.pagination import SystemPages
from leaderboard.api.query import NoFilter, read_query
from leaderboard.api.serializers.output_files import OutputFileRecord
from leaderboard.api.views.base import PagedView, described, one, paged
from leaderboard.api.views.evaluations import with_details
from leaderboard.services.evaluations import output_files


class ByPosition(SystemPages):
    ordering = "position"


class WhateverIsAccepted(BaseContentNegotiation):
    """The bytes have one form; what the client would rather have does not matter."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type


class EvaluationFiles(PagedView):
    pagination_class = ByPosition

    @described(
        "evaluations",
        "Output files of an evaluation: trajectories, bands",
        OutputFileRecord(many=True),
        operation_id="evaluations_files",
    )
    def get(self, request: Request, pk: UUID) -> Response:
        read_query(request, NoFilter)
        return paged(self, with_details(request, pk).files.all(), OutputFileRecord)


class EvaluationFileContent(APIView):
    content_negotiation_class = WhateverIsAccepted

    @described(
        "evaluations",
        "An output file, as an attachment; its ETag is its SHA-256",
        {(200, "application/octet-stream"): OpenApiTypes.BINARY},
        operation_id="evaluations_file",
    )
    def get(
        self, request: Request, pk: UUID, system_id: str, name: str
    ) -> HttpResponse | FileResponse:
        files = with_details(request, pk).files.all()
        file = one(files, f"file {name} of {system_id}", system_id=system_id, name=name)
        if file.left_out:
            raise Http404(f"{name} of {system_id} was not kept. {file.left_out}")

        etag = f'"{file.sha256}"'
        response: HttpResponse | FileResponse | None
        response = get_conditional_response(request._request, etag=etag)
        if response is None:
            response = FileResponse(
                output_files.open_file(file),
                as_attachment=True,
                filename=file.name,
                content_type=file.media_type,
            )
            response["Content-Length"] = str(file.size_bytes)
        response["ETag"] = etag
        response["Cache-Control"] = "private, no-cache"
        response["X-Content-Type-Options"] = "nosniff"
        return response
