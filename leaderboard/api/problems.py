"""Errors as problem details (RFC 9457): one shape for everything that goes wrong under /api/.

``type`` is ``urn:touchstone:problem:<code>``; the codes are listed in docs/api.md. ``errors``
holds one entry for each bad field: ``{"pointer": "#/field", "detail": "..."}``.
"""

from __future__ import annotations

import logging
import math
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from rest_framework import exceptions

from evaluator.sentences import in_one_text
from leaderboard.api.serializers.fields import flat_errors
from leaderboard.exceptions import (
    ConflictError,
    InfrastructureError,
    KeyReusedError,
    QuotaExceeded,
    SubmissionError,
)
from leaderboard.services.accounts.throttles import RateStanding

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
URN = "urn:touchstone:problem:"
REQUEST_ID_HEADER = "X-Request-ID"
_API = "/api/"
#: Of one answer: its errors, and the characters of each sentence in it.
_MOST_ERRORS, _MOST_CHARACTERS = 100, 4000

#: The code of a problem that has no more telling one.
CODES = {
    400: "invalid",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    411: "length_required",
    413: "too_large",
    415: "unsupported_media_type",
    422: "unprocessable",
    429: "throttled",
    500: "internal_error",
    503: "unavailable",
}
_DETAILS = {
    400: "The request could not be understood.",
    403: "The request was refused.",
    404: "There is nothing at this address. GET /api/v1/ lists what there is.",
    405: "This address does not take this method.",
    413: "The request is too large.",
    500: "An internal error. It has been logged under the request id in this answer.",
}
_SIGN_IN = (
    "Sign in: send the header 'Authorization: Bearer tst_...' with a token from "
    "POST /api/v1/tokens/, or from your account's page."
)


class TooLarge(exceptions.APIException):
    """The request holds more than is taken."""

    status_code = 413
    default_code = "too_large"
    default_detail = _DETAILS[413]


def problem(
    request: HttpRequest,
    status: int,
    detail: str,
    *,
    errors: Mapping[str, str] | list[tuple[str, str]] = (),  # type: ignore[assignment]
    headers: Mapping[str, str] | None = None,
    code: str = "",
    **members: str,
) -> JsonResponse:
    """A problem details answer; ``errors`` pairs dotted field names with sentences.

    ``code`` is that of the status, unless there is a more telling one.
    """
    pairs = errors.items() if isinstance(errors, Mapping) else errors
    body = {
        "type": URN + (code or CODES.get(status, "other")),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": _cut(detail),
        "instance": request.path,
        "request_id": getattr(request, "request_id", ""),
        "errors": [
            {"pointer": pointer(_cut(name)), "detail": _cut(text)}
            for name, text in islice(pairs, _MOST_ERRORS)
        ],
        **members,
    }
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=headers)


def _cut(text: str) -> str:
    """No more of it than a reader takes in: a small body must not be answered by a large one."""
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} ..."


def pointer(name: str) -> str:
    """The JSON pointer of a dotted field name, as a URI fragment; "#" is the whole.

    >>> pointer("settings.dtype")
    '#/settings/dtype'
    """
    if not name:
        return "#"
    return "#/" + "/".join(p.replace("~", "~0").replace("/", "~1") for p in name.split("."))


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Turn what a view raised into a problem; None leaves a bug to Django, which logs it whole."""
    request: HttpRequest = context["request"]._request
    match error:
        case QuotaExceeded():
            return _of_quota(request, error)
        case SubmissionError():
            status = 409 if isinstance(error, ConflictError) else 400
            status = 422 if isinstance(error, KeyReusedError) else status
            members = getattr(error, "members", {})
            return problem(request, status, str(error), errors=error.errors, **members)
        case Http404():
            return problem(request, 404, str(error) or _DETAILS[404])
        case DjangoPermissionDenied():
            return problem(request, 403, str(error) or _DETAILS[403])
        case RequestDataTooBig():
            return problem(request, 413, _DETAILS[413])
        case UnreadablePostError():
            return problem(request, 400, "The connection broke before the whole body had come.")
        case SuspiciousOperation():
            return problem(request, 400, str(error) or _DETAILS[400])
        case InfrastructureError():
            logger.error("Infrastructure fault at %s", request.path, exc_info=error)
            return problem(request, 503, "A fault of the service; try again in a minute.")
        case exceptions.APIException():
            return _of_api_exception(request, error)
    return None


def _of_quota(request: HttpRequest, error: QuotaExceeded) -> HttpResponse:
    headers = {}
    if error.resets_at is not None:
        headers["Retry-After"] = str(math.ceil((error.resets_at - timezone.now()).total_seconds()))
    return problem(
        request, 429, str(error), headers=headers, code="quota_exceeded", limit=error.limit
    )


def _of_api_exception(request: HttpRequest, error: exceptions.APIException) -> HttpResponse:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(int(wait) + 1)
    if isinstance(error, exceptions.ValidationError):
        errors = list(islice(flat_errors("", error.detail), _MOST_ERRORS))
        detail = in_one_text(f"{name}: {text}" if name else text for name, text in errors)
        return problem(request, 400, detail, errors=errors, headers=headers)
    if isinstance(error, exceptions.NotAuthenticated):
        return problem(request, 401, _SIGN_IN, headers=headers)
    members = getattr(error, "members", {})
    return problem(request, error.status_code, str(error.detail), headers=headers, **members)


class ApiProblems:
    """Gives each request an id, and turns errors made outside of the views into problems.

    The outermost middleware: an unknown address, a refused host or cookie and a bug (which Django
    has logged with its traceback by then) all pass here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.request_id = uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        status = response.status_code
        if status >= 500:
            logger.error(
                "Request %s (%s %s) ended with status %d",
                request.request_id,  # type: ignore[attr-defined]
                request.method,
                request.path,
                status,
            )
        is_foreign = response.headers.get("Content-Type") != CONTENT_TYPE
        if status >= 400 and is_foreign and request.path.startswith(_API):
            headers = {n: v for n, v in response.headers.items() if n in {"Allow", "Retry-After"}}
            usual = _DETAILS.get(status, HTTPStatus(status).description)
            detail = getattr(response, "detail", usual)
            response = problem(request, status, detail, headers=headers)
        if request.path.startswith(_API):
            # What is answered depends on who asks: no cache may hand it to another.
            patch_vary_headers(response, ["Authorization", "Cookie"])
        standing: RateStanding | None = getattr(request, "rate_limit", None)
        if standing is not None:
            for name, value in standing.headers().items():
                response.headers.setdefault(name, value)
        response.headers[REQUEST_ID_HEADER] = request.request_id  # type: ignore[attr-defined]
        return response
