"""Request bodies, read with a bound on their size and depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser, JSONParser, MultiPartParser
from rest_framework.request import Request

from leaderboard.api.problems import TooLarge

#: What the fields of a submission and the multipart frame may take beside the file.
_MULTIPART_MARGIN_BYTES = 2**20


class BoundedJSONParser(JSONParser):
    """DRF's parser reads the stream itself, past Django's limit on bodies that are no files."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  (any JSON)
        _refuse_longer(parser_context, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("JSON parse error: nested too deeply.") from error


class BoundedMultiPartParser(MultiPartParser):
    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  (a form and its files)
        limit = settings.MAX_ARTIFACT_BYTES
        _refuse_longer(parser_context, limit + _MULTIPART_MARGIN_BYTES, limit)
        return super().parse(stream, media_type, parser_context)


class OctetStreamParser(BaseParser):
    """Hands the stream on unread, so that the view can write it to disk as it comes."""

    media_type = "application/octet-stream"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  (a stream)
        return stream


class LengthRequired(APIException):
    status_code = 411
    default_code = "length_required"
    default_detail = "Say the length of the body in the header Content-Length."


def declared_length(request: Request) -> int:
    """The body's length as announced; a body without it (chunked) cannot be read here."""
    text = str(request.META.get("CONTENT_LENGTH") or "")
    if not text:
        raise LengthRequired
    if not (text.isascii() and text.isdigit()):
        raise ParseError("The Content-Length header must be a whole number.")
    return int(text)


def _refuse_longer(
    context: Mapping[str, Any] | None, limit: int, announced: int | None = None
) -> None:
    # A server hands over no more than the declared length, so what is declared bounds what is read.
    declared = str((context or {})["request"].META.get("CONTENT_LENGTH") or "0")
    if not declared.isdigit():
        raise ParseError("The Content-Length header must be a whole number.")
    if int(declared) > limit:
        MiB = (announced or limit) / 2**20
        raise TooLarge(f"The request has {int(declared)} bytes; at most {MiB:g} MiB are accepted.")
