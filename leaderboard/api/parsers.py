"""Request bodies, read with a bound on their size and depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser, MultiPartParser

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


def _refuse_longer(context: Mapping[str, Any] | None, limit: int, told: int | None = None) -> None:
    # A server hands over no more than the declared length, so what is declared bounds what is read.
    declared = str((context or {})["request"].META.get("CONTENT_LENGTH") or "0")
    if not declared.isdigit():
        raise ParseError("The Content-Length header must be a whole number.")
    if int(declared) > limit:
        MiB = (told or limit) / 2**20
        raise TooLarge(f"The request has {int(declared)} bytes; at most {MiB:g} MiB are accepted.")
