"""What happened to an evaluation: as a list, and as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import APIException, ParseError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from leaderboard.api import streams
from leaderboard.api.pagination import Pages
from leaderboard.api.query import NoFilter, read_query
from leaderboard.api.serializers.evaluations import EventRecord
from leaderboard.api.views.base import PagedView, described, one, paged, user_of
from leaderboard.api.views.evaluations import visible_evaluations
from leaderboard.models import disclosure
from leaderboard.services.accounts.throttles import address_of


class StreamRenderer(BaseRenderer):
    """For the negotiation alone; a problem that comes instead of the stream is JSON anyway."""

    media_type = streams.CONTENT_TYPE
    format = "sse"

    def render(
        self,
        data: Any,  # noqa: ANN401
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return bytes(JSONRenderer().render(data))


class NoPlace(APIException):
    """Every place for a stream is taken."""

    status_code = 503
    default_code = "unavailable"
    default_detail = "Too many are listening. Ask again later, or poll the evaluation."
    wait = 10


class ByEvent(Pages):
    ordering = "pk"


class EvaluationEvents(PagedView):
    pagination_class = ByEvent
    renderer_classes = (JSONRenderer, StreamRenderer)

    @described(
        "evaluations",
        "What happened to an evaluation; as text/event-stream, what happens",
        {(200, "application/json"): EventRecord(many=True), (200, streams.CONTENT_TYPE): str},
        operation_id="evaluations_events",
        parameters=[
            OpenApiParameter(
                "Last-Event-ID",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="Of a stream: only what came after this event.",
            )
        ],
    )
    def get(self, request: Request, pk: UUID) -> HttpResponseBase:
        read_query(request, NoFilter)
        evaluation = one(visible_evaluations(request), f"evaluation {pk}", pk=pk)
        shows = disclosure.may_read(user_of(request), evaluation, disclosure.Part.DETAILS)
        if request.accepted_renderer.format != StreamRenderer.format:
            return paged(self, evaluation.events.all(), EventRecord, shows_details=shows)
        after = request.headers.get("Last-Event-ID") or "0"
        if not (after.isascii() and after.isdigit() and len(after) < 19):
            raise ParseError("Last-Event-ID must be the id of an event.")
        client = address_of(request._request)
        if not streams.take_place(client):
            raise NoPlace
        return StreamingHttpResponse(
            streams.EventStream(evaluation.pk, int(after), shows_details=shows, client=client),
            content_type=f"{streams.CONTENT_TYPE}; charset=utf-8",
            headers={"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"},
        )
