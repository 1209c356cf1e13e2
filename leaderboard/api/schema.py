"""How the OpenAPI description differs from what drf-spectacular finds by itself."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from leaderboard.api.problems import CONTENT_TYPE

_TEXT = {"type": "string"}
_PROBLEM = {
    "type": "object",
    "description": "Problem details, RFC 9457.",
    "required": ["type", "title", "status", "detail", "instance", "request_id", "errors"],
    "properties": {
        "type": {**_TEXT, "description": "urn:touchstone:problem:<code>"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {**_TEXT, "description": "What is wrong and what to do about it."},
        "instance": _TEXT,
        "request_id": {**_TEXT, "description": "Also in the header X-Request-ID."},
        "limit": {**_TEXT, "description": "With 429 quota_exceeded: which limit."},
        "missing_scope": {**_TEXT, "description": "With 403: what the token may not do."},
        "existing": {**_TEXT, "description": "With 409: the address of what is there already."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {**_TEXT, "description": "JSON pointer of the field: #/sha256"},
                    "detail": _TEXT,
                },
            },
        },
    },
}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "leaderboard.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer tst_..."}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "rest_framework.authentication.SessionAuthentication"
    name = "session"
    priority = 1

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid"}


def add_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:  # noqa: ANN401  (a hook)
    """Say of every operation that its errors are problem details."""
    result["components"]["schemas"]["Problem"] = _PROBLEM
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = {"description": "A problem.", "content": content}
    return result
