"""Requests to the service: timeouts, repeated attempts, problems as exceptions."""

from __future__ import annotations

import platform
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from evaluator.client.errors import (
    ClientError,
    QuotaExceeded,
    UnexpectedAnswer,
    Unreachable,
    refusal,
)
from evaluator.client.records import Problem

API = "/api/v1"

#: To connect, and between two bytes of an answer, in seconds.
TIMEOUT_S = (10.0, 120.0)
MAX_ATTEMPTS = 5
#: A longer wait that the service asks for is the caller's to decide about.
MAX_WAIT_S = 60.0

_CHUNK_BYTES = 2**20
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
#: Worth another attempt: too many requests, and what a proxy or a restart of the service answers.
_PASSING = frozenset({429, 502, 503, 504})
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_IDEMPOTENCY_KEY = "Idempotency-Key"


class _Bearer(requests.auth.AuthBase):
    """A header that also stands where there is no token.

    Requests would take a password from ~/.netrc.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Transport:
    """Talks to one service; ``token`` goes to no other host.

    Requests that may be repeated (by their method, or since they carry an Idempotency-Key) are,
    up to ``max_attempts`` times, with growing pauses or as long as Retry-After says.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout_s: tuple[float, float] = TIMEOUT_S,
        max_attempts: int = MAX_ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = checked_url(url)
        self.token = token
        self._timeout_s = timeout_s
        self._max_attempts = max_attempts
        self._sleep = sleep
        self._session = requests.Session()
        self._session.headers["User-Agent"] = (
            f"touchstone-client (Python {platform.python_version()})"
        )

    def close(self) -> None:
        self._session.close()

    def json(self, method: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401  (JSON)
        """The answer's JSON, None for an empty one. Raises ClientError."""
        response = self.call(method, path, **arguments)
        return _json(response) if response.content else None

    def save(
        self, path: str, target: Path, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Write the answer's bytes to a file. Raises ClientError, also where it breaks off."""
        with self.call("GET", path, stream=True) as response, target.open("wb") as file:
            n_all, n_done = int(response.headers.get("Content-Length", "0")), 0
            try:
                for chunk in response.iter_content(_CHUNK_BYTES):
                    file.write(chunk)
                    n_done += len(chunk)
                    if progress is not None:
                        progress(n_done, max(n_all, n_done))
            except requests.RequestException as error:
                raise Unreachable(f"{self.url} broke off in the middle of a file.") from error

    def pages(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The entries of a list, page by page as they are asked for."""
        page = self.json("GET", path, params=params)
        while True:
            yield from page["results"]
            if not page["next"]:
                return
            page = self.json("GET", self.path_of(page["next"]))

    def path_of(self, address: str) -> str:
        """An address of the service as a path below its API; our own host stays in front of it."""
        parts = urlsplit(address)
        _, found, path = parts.path.partition(API)
        if not found:
            raise UnexpectedAnswer(f"{address} is no address of the service's API.")
        return path + (f"?{parts.query}" if parts.query else "")

    def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        **arguments: Any,  # noqa: ANN401  (see requests.request)
    ) -> requests.Response:
        """One request, repeated where it may be. Raises ClientError for whatever is no success."""
        may_repeat = method in _IDEMPOTENT or _IDEMPOTENCY_KEY in (headers or {})
        n_attempts = self._max_attempts if may_repeat else 1
        for attempt in range(1, n_attempts + 1):
            try:
                return self._call_once(method, path, headers, arguments)
            except Unreachable:
                if attempt == n_attempts:
                    raise
                self._sleep(_pause_s(attempt))
            except _Passing as passing:
                wait_s = passing.retry_after_s
                wait_s = _pause_s(attempt) if wait_s is None else wait_s
                if attempt == n_attempts or wait_s > MAX_WAIT_S:
                    raise passing.error from None
                self._sleep(wait_s)
        raise AssertionError("unreachable")

    def _call_once(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        arguments: dict[str, Any],
    ) -> requests.Response:
        try:
            response = self._session.request(
                method,
                f"{self.url}{API}{path}",
                headers={"Accept": "application/json", **(headers or {})},
                auth=_Bearer(self.token),
                timeout=self._timeout_s,
                allow_redirects=False,
                **arguments,
            )
        except requests.Timeout as error:
            raise Unreachable(f"{self.url} did not answer in time.") from error
        except requests.ConnectionError as error:
            raise Unreachable(f"{self.url} cannot be reached: {_reason(error)}.") from error
        except requests.RequestException as error:
            raise ClientError(f"{self.url} cannot be asked: {error}") from error
        if response.status_code < 300 or response.status_code == 304:
            return response
        if response.is_redirect:
            target = response.headers["Location"]
            raise UnexpectedAnswer(f"{self.url} points to {target}: use that as the service's URL.")
        raise self._failure(response)

    def _failure(self, response: requests.Response) -> Exception:
        retry_after_s = _retry_after_s(response)
        error = refusal(_problem(response), retry_after_s)
        if response.status_code in _PASSING and not isinstance(error, QuotaExceeded):
            return _Passing(error, retry_after_s)
        return error


class _Passing(Exception):
    """A refusal that may be another one's turn to hear."""

    def __init__(self, error: ClientError, retry_after_s: float | None) -> None:
        self.error, self.retry_after_s = error, retry_after_s


def checked_url(url: str) -> str:
    """Scheme and host, without a slash or the API's path at the end. Raises ClientError."""
    url = url.strip().rstrip("/").removesuffix(API)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClientError(f"{url!r} is no address of a service; write https://host.")
    return url


def _json(response: requests.Response) -> Any:  # noqa: ANN401  (JSON)
    try:
        return response.json()
    except ValueError as error:
        raise UnexpectedAnswer(
            f"{response.url} does not answer as the service's API does. Is the URL right?"
        ) from error


def _problem(response: requests.Response) -> Problem:
    """The problem that came, or one made of the status where a proxy answered."""
    try:
        return Problem.from_json(response.json())
    except (ValueError, TypeError):
        where = f"{response.request.method} {response.url}"
        detail = f"{where} was answered with {response.status_code} {response.reason}."
        return Problem(status=response.status_code, title=response.reason, detail=detail)


def _retry_after_s(response: requests.Response) -> float | None:
    """Only the form in seconds is understood; the service writes no other."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _pause_s(attempt: int) -> float:
    """Twice as long each time, scattered so that many clients do not come back together."""
    pause_s = min(_FIRST_PAUSE_S * 2 ** (attempt - 1), _LONGEST_PAUSE_S)
    scatter = 0.5 + 0.5 * random.random()  # noqa: S311  (no secret)
    return float(pause_s * scatter)


def _reason(error: requests.ConnectionError) -> str:
    """The innermost cause, which is what tells something: connection refused, name unknown."""
    cause: BaseException = error
    while (inner := cause.__cause__ or cause.__context__) is not None:
        cause = inner
    text = getattr(cause, "strerror", None) or str(cause)
    return text[:200]
