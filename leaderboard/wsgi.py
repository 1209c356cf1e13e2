"""Entry point of gunicorn."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leaderboard.settings")


class BodilessHead:
    """Answers HEAD with the headers of GET alone, as RFC 9110 has it.

    Django leaves the body to the server to drop, and gunicorn warns of each one that it drops.
    """

    def __init__(self, application: Any) -> None:  # noqa: ANN401  (WSGI has no type of its own)
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:  # noqa: ANN401
        answer: Any = self._application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return answer  # type: ignore[no-any-return]
        if hasattr(answer, "close"):
            answer.close()  # what the server would do, and what ends the request for Django
        return []


application = BodilessHead(get_wsgi_application())
# What is loaded now stays: the collector need not look at it again while it answers requests.
gc.collect()
gc.freeze()
