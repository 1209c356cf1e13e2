"""The header Idempotency-Key: a repeated POST is answered again, not done again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ParseError
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from leaderboard.api.views.base import signed_in
from leaderboard.services.accounts.idempotency import Answer, answer_once

HEADER = "Idempotency-Key"
IDEMPOTENCY_KEY = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Your own name of this request, 1 to 255 printable characters. Sent again within a "
    "day with the same body, it gets the same answer; with another body, 422.",
)


def once(request: Request, act: Callable[[], Response]) -> Response:
    """Do ``act`` unless the request's key has an answer. Without a key, simply do it."""
    key = request.headers.get(HEADER)
    if key is None:
        return act()
    if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise ParseError(f"{HEADER} must have 1 to 255 printable ASCII characters.")
    answer = answer_once(signed_in(request), key, _fingerprint(request), lambda: _kept(act()))
    headers = {"Idempotency-Replayed": "true"} if answer.is_replayed else {}
    return Response(answer.body, status=answer.status, headers={**answer.headers, **headers})


def _kept(response: Response) -> Answer:
    body = json.loads(JSONRenderer().render(response.data))
    location = response.headers.get("Location")
    return Answer(response.status_code, body, {"Location": location} if location else {})


def _fingerprint(request: Request) -> str:
    """Hash method, address and body.

    A file stands by its name and size, beside its sha256 field.
    """
    data = request.data
    body: Any = data
    if isinstance(data, QueryDict):
        body = sorted((name, _plain(value)) for name, values in data.lists() for value in values)
    whole = json.dumps([request.method, request.path, body], sort_keys=True, default=str)
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, UploadedFile):
        return f"file {value.name} of {value.size} bytes"
    return str(value)
