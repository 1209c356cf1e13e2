"""The client: a method for each thing that one does with the service."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from evaluator.client.errors import UnexpectedAnswer
from evaluator.client.records import (
    Benchmark,
    Bundle,
    CheckedSubmission,
    Evaluation,
    ImportedBundle,
    Leaderboard,
    Logs,
    Me,
    Potential,
    Queue,
    Quota,
    Record,
    Submission,
    Submitted,
    TaskBoard,
    Token,
)
from evaluator.client.transport import MAX_ATTEMPTS, TIMEOUT_S, Transport
from evaluator.client.uploads import Progress, sha256_of_file, upload_in_parts

_AnyRecord = TypeVar("_AnyRecord", bound=Record)

#: Up to this size a file goes along with the form, in one request.
SMALL_FILE_BYTES = 8 * 2**20

_POLL_S = 2.0


class Client:
    """A connection to one service. Every method raises ClientError for what does not succeed.

    Parameters
    ----------
    url
        Of the service: https://host.
    token
        An API token; without one, what is public can be read.
    timeout_s
        To connect, and between two bytes of an answer.
    max_attempts
        Of requests that may be repeated, when the service is away or asks to wait.
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
        self._sleep = sleep
        self._transport = Transport(
            url, token, timeout_s=timeout_s, max_attempts=max_attempts, sleep=sleep
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transport.close()

    @property
    def url(self) -> str:
        return self._transport.url

    @property
    def has_token(self) -> bool:
        return bool(self._transport.token)

    # The account

    def sign_in(
        self,
        username: str,
        password: str,
        *,
        name: str,
        code: str | None = None,
        expires_in_days: int | None = None,
        scopes: Sequence[str] | None = None,
    ) -> Token:
        """Make a token, and use it from now on. Left out, the service decides what it may do.

        ``code`` is that of the authenticator app, where the account has two-factor sign-in.
        """
        content = {
            "username": username,
            "password": password,
            "code": code,
            "name": name,
            "expires_in_days": expires_in_days,
            "scopes": None if scopes is None else list(scopes),
        }
        given = {key: value for key, value in content.items() if value is not None}
        answer = self._transport.json("POST", "/tokens/", json=given)
        token = _read(Token, answer)
        self._transport.token = token.token
        return token

    def revoke_token(self, hint: str) -> None:
        self._transport.call("DELETE", f"/tokens/{hint}/")

    def me(self) -> Me:
        return self._get(Me, "/me/")

    def quota(self) -> Quota:
        """How many evaluations are left to this user."""
        return self._get(Quota, "/me/quota/")

    def queue(self) -> Queue:
        """How much waits at the service, and who works."""
        return self._get(Queue, "/queue/")

    # Potentials and submissions

    def potential(self, slug: str) -> Potential:
        return self._get(Potential, f"/potentials/{slug}/")

    def potentials(self) -> Iterator[Potential]:
        return self._list(Potential, "/potentials/")

    def create_potential(self, card: Mapping[str, Any]) -> Potential:
        """Register a potential; ``card`` holds the fields that docs/api.md names."""
        return _read(Potential, self._transport.json("POST", "/potentials/", json=dict(card)))

    def change_potential(self, slug: str, fields: Mapping[str, Any]) -> Potential:
        """Change what is said of it, and nothing that ``fields`` does not name."""
        answer = self._transport.json("PATCH", f"/potentials/{slug}/", json=dict(fields))
        return _read(Potential, answer)

    def delete_potential(self, slug: str) -> None:
        """Remove it; Conflict where it has versions."""
        self._transport.call("DELETE", f"/potentials/{slug}/")

    def check_submission(
        self,
        fields: Mapping[str, Any],
    ) -> CheckedSubmission:
        """Ask what would be refused of a submission, and of its potential's card, without the file.

        ``fields`` are those of ``POST /submissions/check/`` in docs/api.md; the refusal names all
        that are wrong or missing.
        """
        answer = self._transport.json("POST", "/submissions/check/", json=dict(fields))
        return _read(CheckedSubmission, answer)

    def submit(
        self,
        potential: str,
        artifact: Path,
        *,
        version: str,
        calculator_kind: str,
        settings: Mapping[str, Any] | None = None,
        supported_elements: Sequence[str] | None = None,
        visibility: str | None = None,
        declares_non_conservative: bool | None = None,
        benchmark: str | None = None,
        tasks: Sequence[str] | None = None,
        card: Mapping[str, Any] | None = None,
        lock: str | None = None,
        filename: str | None = None,
        progress: Progress | None = None,
        idempotency_key: str | None = None,
    ) -> Submitted:
        """Upload a file and submit it as a version of a potential.

        The same version again gives the submission that is there, as far as nothing differs; what
        differs is a Conflict that names it. A large file goes in parts, and after a break the same
        call goes on where it stopped.

        Parameters
        ----------
        potential
            Slug.
        supported_elements
            Chemical symbols; left out, the checkpoint tells.
        benchmark, tasks
            Slugs of what it is to be judged by; left out, the service decides.
        visibility
            "public" or "private"; left out, a new one is public.
        card
            What is said of the potential: a new one is registered with it, beside its first
            version; of one that is there nothing else may be said than its card says.
        lock
            Of the kind package alone: the text of the lock of its packages.
        progress
            Called with the bytes that have arrived and those in all.
        idempotency_key
            Left out, one is made, so that an attempt that is repeated after a broken connection
            submits nothing twice.
        """
        sha256 = sha256_of_file(artifact)
        fields = {
            "potential": potential,
            "version": version,
            "calculator_kind": calculator_kind,
            "sha256": sha256,
            "settings": None if settings is None else json.dumps(dict(settings)),
            "supported_elements": None
            if supported_elements is None
            else json.dumps(list(supported_elements)),
            "visibility": visibility,
            "declares_non_conservative": None
            if declares_non_conservative is None
            else json.dumps(declares_non_conservative),
            "benchmark": benchmark,
            "tasks": None if tasks is None else json.dumps(list(tasks)),
            "card": None if card is None else json.dumps(dict(card)),
            "lock": lock,
        }
        # Every field as a part of its own: the service reads forms as multipart alone.
        parts: dict[str, Any] = {n: (None, v) for n, v in fields.items() if v is not None}
        parts |= self._file_field(artifact, sha256, filename or artifact.name, progress)
        answer = self._transport.json(
            "POST",
            "/submissions/",
            files=parts,
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        )
        return _read(Submitted, answer)

    def _file_field(
        self, artifact: Path, sha256: str, filename: str, progress: Progress | None
    ) -> dict[str, Any]:
        size_bytes = artifact.stat().st_size
        if size_bytes > SMALL_FILE_BYTES:
            upload = upload_in_parts(
                self._transport, artifact, sha256=sha256, filename=filename, progress=progress
            )
            return {"upload": (None, upload.id)}
        if progress is not None:
            progress(0, size_bytes)
        return {"artifact": (filename, artifact.read_bytes())}

    def submission(self, submission_id: str) -> Submission:
        return self._get(Submission, f"/submissions/{submission_id}/")

    def submissions(
        self, *, potential: str | None = None, mine: bool = False
    ) -> Iterator[Submission]:
        """The newest first."""
        params = {"potential": potential, "mine": "true" if mine else None}
        return self._list(Submission, "/submissions/", params)

    def publish(self, submission_id: str) -> Submission:
        """Show a private submission to everybody, and rank it; this cannot be taken back."""
        answer = self._transport.json("POST", f"/submissions/{submission_id}/publish/")
        return _read(Submission, answer)

    def withdraw(self, submission_id: str) -> Submission:
        """Take it off the boards."""
        answer = self._transport.json("POST", f"/submissions/{submission_id}/withdraw/")
        return _read(Submission, answer)

    def wait(
        self,
        submission_id: str,
        *,
        on_change: Callable[[Submission], None] | None = None,
        poll_s: float = _POLL_S,
    ) -> Submission:
        """Return once all evaluations of a submission have ended; ``on_change`` sees each poll."""
        while True:
            submission = self.submission(submission_id)
            if on_change is not None:
                on_change(submission)
            if all(evaluation.has_ended for evaluation in submission.evaluations):
                return submission
            self._sleep(poll_s)

    # Evaluations

    def evaluation(self, evaluation_id: str) -> Evaluation:
        return self._get(Evaluation, f"/evaluations/{evaluation_id}/")

    def evaluations(
        self,
        *,
        submission: str | None = None,
        potential: str | None = None,
        task: str | None = None,
        state: str | None = None,
    ) -> Iterator[Evaluation]:
        """Current ones, the newest first."""
        params = {"submission": submission, "potential": potential, "task": task, "state": state}
        return self._list(Evaluation, "/evaluations/", {**params, "page_size": 200})

    def follow(self, evaluation_id: str) -> Iterator[Evaluation]:
        """An evaluation each time that it has changed, until it has ended.

        Asks again when the service says so (Retry-After), and is told shortly when nothing is new.
        """
        path, etag, wait_s = f"/evaluations/{evaluation_id}/", "", _POLL_S
        while True:
            headers = {"If-None-Match": etag} if etag else {}
            response = self._transport.call("GET", path, headers=headers)
            if response.status_code != 304:
                retry_after = response.headers.get("Retry-After", "")
                wait_s = float(retry_after) if retry_after.isdecimal() else _POLL_S
                etag = response.headers.get("ETag", "")
                evaluation = _read(Evaluation, response.json())
                yield evaluation
                if evaluation.has_ended:
                    return
            self._sleep(wait_s)

    def cancel(self, evaluation_id: str) -> Evaluation:
        """Ask for an evaluation to be stopped; a running one ends within seconds."""
        return _read(
            Evaluation, self._transport.json("POST", f"/evaluations/{evaluation_id}/cancel/")
        )

    def reevaluate(self, evaluation_id: str, reason: str) -> Evaluation:
        """Ask for an evaluation that has ended to be repeated; returns the new one."""
        path = f"/evaluations/{evaluation_id}/reevaluate/"
        return _read(Evaluation, self._transport.json("POST", path, json={"reason": reason}))

    def logs(self, evaluation_id: str) -> Logs:
        return self._get(Logs, f"/evaluations/{evaluation_id}/logs/")

    def systems(self, evaluation_id: str) -> Iterator[dict[str, Any]]:
        """A record for each system, as the service gives it."""
        return self._transport.pages(f"/evaluations/{evaluation_id}/systems/", {"page_size": 1000})

    # Boards

    def benchmarks(self) -> Iterator[Benchmark]:
        return self._list(Benchmark, "/benchmarks/")

    def leaderboard(self, benchmark: str, *, version: int | None = None) -> Leaderboard:
        return self._get(Leaderboard, f"/leaderboards/{benchmark}/", {"version": version})

    def task_leaderboard(self, task: str, *, version: int | None = None) -> TaskBoard:
        return self._get(TaskBoard, f"/tasks/{task}/leaderboard/", {"version": version})

    def tasks(self) -> Iterator[dict[str, Any]]:
        """Published tasks, as the service describes them."""
        return self._transport.pages("/tasks/")

    def task_bundle(self, task: str, *, version: int | None = None) -> Bundle:
        """A public task as YAML, and the file that it needs. Raises Forbidden for a hidden set."""
        return self._get(Bundle, f"/tasks/{task}/bundle/", {"version": version})

    def reference_sets(self) -> Iterator[dict[str, Any]]:
        """Those of published tasks, as the service describes them."""
        return self._transport.pages("/reference-sets/")

    def save_public_reference_file(
        self, sha256: str, path: Path, *, progress: Progress | None = None
    ) -> None:
        """Write a public reference set's canonical file, whole or not at all.

        ``progress`` is called with the bytes that have come and those in all.
        """
        self._save(f"/reference-sets/files/{sha256}/", sha256, path, progress)

    def calculators(self) -> Iterator[dict[str, Any]]:
        """The kinds of artifacts that are taken, with their settings."""
        return self._transport.pages("/calculators/")

    # For administrators

    def export_bundle(
        self, *, tasks: Sequence[str] = (), benchmarks: Sequence[str] = (), drafts: bool = False
    ) -> Bundle:
        """Everything, or the named tasks and benchmarks with all that they need."""
        params = {
            "tasks": ",".join(tasks) or None,
            "benchmarks": ",".join(benchmarks) or None,
            "drafts": "true" if drafts else None,
        }
        return self._get(Bundle, "/bundle/", params)

    def save_reference_file(self, sha256: str, path: Path) -> None:
        """Write a reference set's canonical file, of hidden sets too, whole or not at all."""
        self._save(f"/bundle/files/{sha256}/", sha256, path)

    def import_bundle(
        self,
        bundle: str,
        files: Sequence[Path] = (),
        *,
        dry_run: bool = False,
        backfill: bool = False,
    ) -> ImportedBundle:
        """Bring the service up to a bundle: all of it, or nothing.

        A dry run tells what would be done and changes nothing; ``backfill`` then has every
        submission evaluated on what was published.
        """
        options = {"dry_run": dry_run, "backfill": backfill}
        with ExitStack() as stack:
            parts: list[tuple[str, Any]] = [("bundle", (None, bundle))]
            # What is not asked for is not sent: services before 1.2 refuse unknown fields.
            parts += [(name, (None, "true")) for name, is_asked in options.items() if is_asked]
            parts += [("file", (p.name, stack.enter_context(p.open("rb")))) for p in files]
            return _read(ImportedBundle, self._transport.json("POST", "/bundle/", files=parts))

    def _save(
        self, address: str, sha256: str, path: Path, progress: Progress | None = None
    ) -> None:
        partial = path.with_name(path.name + ".partial")
        try:
            self._transport.save(address, partial, progress)
            if sha256_of_file(partial) != sha256:
                raise UnexpectedAnswer(f"{path.name} did not come whole; try again.")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _get(
        self, record: type[_AnyRecord], path: str, params: Mapping[str, Any] | None = None
    ) -> _AnyRecord:
        return _read(record, self._transport.json("GET", path, params=params))

    def _list(
        self, record: type[_AnyRecord], path: str, params: Mapping[str, Any] | None = None
    ) -> Iterator[_AnyRecord]:
        return (_read(record, entry) for entry in self._transport.pages(path, params))


def _read(record: type[_AnyRecord], answer: Any) -> _AnyRecord:  # noqa: ANN401  (JSON)
    try:
        return record.from_json(answer)
    except (TypeError, ValueError) as error:
        name = record.__name__
        raise UnexpectedAnswer(f"The service's answer is no {name}: {error}.") from error
