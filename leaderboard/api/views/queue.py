"""The queue and its workers, counted; ``touchstone check`` asks this."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.serializers.queue import QueueRecord
from leaderboard.api.views.base import described
from leaderboard.services.evaluations import queue


class Queue(APIView):
    @described("evaluations", "How much waits, and who works", QueueRecord, operation_id="queue")
    def get(self, request: Request) -> Response:
        return Response(QueueRecord(queue.summary()).data)
