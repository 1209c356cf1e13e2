"""Uploads in parts, for large files: announce, PUT each part, complete; then submit."""

from __future__ import annotations

import base64
import binascii
import re
from typing import IO, cast
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ParseError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.idempotency import IDEMPOTENCY_KEY, once
from leaderboard.api.parsers import OctetStreamParser, declared_length
from leaderboard.api.problems import TooLarge
from leaderboard.api.query import NoFilter, read_query
from leaderboard.api.serializers.uploads import PartRecord, UploadRecord, UploadRequest
from leaderboard.api.views.base import ByTime, PagedView, described, one, paged, signed_in
from leaderboard.lib import blobs
from leaderboard.models import Upload
from leaderboard.models.upload import PART_BYTES
from leaderboard.services.submissions import uploads as service

_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:,|$)")
_DIGESTS = [
    OpenApiParameter(
        "Content-Digest",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        description="RFC 9530: sha-256=:base64 of the part's SHA-256:. This header or the other.",
    ),
    OpenApiParameter(
        "X-Part-SHA256",
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        description="The part's SHA-256 as 64 hexadecimal digits.",
    ),
]


def own_uploads(request: Request) -> QuerySet[Upload]:
    """Those that stand; an upload is nobody else's business, not even the staff's."""
    return Upload.objects.standing().filter(user=signed_in(request)).prefetch_related("parts")


def find_upload(request: Request, pk: UUID) -> Upload:
    return one(own_uploads(request), f"upload {pk}", pk=pk)


class UploadList(PagedView):
    permission_classes = (IsAuthenticated,)
    pagination_class = ByTime

    @described("uploads", "Your uploads", UploadRecord(many=True), operation_id="uploads_list")
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        return paged(self, own_uploads(request), UploadRecord)

    @described(
        "uploads",
        "Announce a file that comes in parts of 8 MiB",
        {201: UploadRecord},
        request=UploadRequest,
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        return once(request, lambda: self._announce(request))

    def _announce(self, request: Request) -> Response:
        form = UploadRequest(data=request.data)
        form.is_valid(raise_exception=True)
        if form.validated_data["size_bytes"] > settings.MAX_UPLOAD_BYTES:
            raise TooLarge(f"At most {settings.MAX_UPLOAD_BYTES / 2**20:g} MiB are accepted.")
        upload = service.announce_upload(signed_in(request), **form.validated_data)
        data = UploadRecord(upload, context={"request": request}).data
        return Response(data, status=201, headers={"Location": data["url"]})


class UploadDetail(APIView):
    permission_classes = (IsAuthenticated,)

    @described(
        "uploads",
        "An upload and the parts that have arrived",
        UploadRecord,
        operation_id="uploads_read",
    )
    def get(self, request: Request, pk: UUID) -> Response:
        return _answer(request, pk)

    @described("uploads", "Drop an upload", {204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        service.delete_upload(find_upload(request, pk))
        return Response(status=204)


class UploadPart(APIView):
    throttle_scope = "upload"
    permission_classes = (IsAuthenticated,)
    parser_classes = (OctetStreamParser,)

    @described(
        "uploads",
        "Send one part; in any order, and again after a break",
        PartRecord,
        request={"application/octet-stream": OpenApiTypes.BINARY},
        parameters=_DIGESTS,
    )
    def put(self, request: Request, pk: UUID, number: int) -> Response:
        upload = find_upload(request, pk)
        length = declared_length(request)
        if length > PART_BYTES:
            raise TooLarge(f"A part has at most {PART_BYTES} bytes; {length} were announced.")
        expected = _digest(request)
        chunks = blobs.chunks_of(cast(IO[bytes], request.data)) if length else ()
        part = service.store_part(upload, number, chunks, expected_sha256=expected)
        return Response(PartRecord(part).data)


class UploadComplete(APIView):
    permission_classes = (IsAuthenticated,)

    @described(
        "uploads", "Join the parts and check the whole; may be repeated", UploadRecord, request=None
    )
    def post(self, request: Request, pk: UUID) -> Response:
        service.complete_upload(find_upload(request, pk))
        return _answer(request, pk)


def _answer(request: Request, pk: UUID) -> Response:
    return Response(UploadRecord(find_upload(request, pk), context={"request": request}).data)


def _digest(request: Request) -> str:
    """The part's SHA-256 in hexadecimal digits, from whichever header carries it."""
    plain = request.headers.get("X-Part-SHA256")
    if plain is not None:
        return str(plain)
    digest = request.headers.get("Content-Digest")
    if digest is None:
        raise ParseError(
            "Say the part's SHA-256 in the header X-Part-SHA256 (hexadecimal) or Content-Digest "
            "(RFC 9530: sha-256=:base64:)."
        )
    match = _DIGEST.search(digest)
    try:
        return base64.b64decode(match[1] if match else "!", validate=True).hex()
    except binascii.Error as error:
        raise ParseError("Content-Digest must hold sha-256=:base64 of 32 bytes:.") from error
