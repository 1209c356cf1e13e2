"""Tasks and reference sets of a service, to be run on this machine with the service's numbers.

A task comes as a bundle, the YAML in which administrators keep it, and its reference set by its
sha256. Both are public: no token is sent, and of a hidden set a service gives out nothing.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from evaluator.cli.places import cache_folder
from evaluator.cli.service import named_url
from evaluator.cli.suggestions import did_you_mean
from evaluator.client import Client, ClientError, NotFound, UnexpectedAnswer
from evaluator.contract import Limits, ReferenceSpec, ScoredMetric, TaskSpec
from evaluator.exceptions import SubmissionError
from evaluator.hashing import sha256_of
from evaluator.references import sets

_SLUG = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def public_client(arguments: argparse.Namespace) -> Client | None:
    """A client without a token of the service that is named or signed in to, if there is one."""
    url = named_url(arguments)
    return Client(url) if url else None


def served_rows(
    arguments: argparse.Namespace, list_rows: Callable[[Client], Iterable[dict[str, Any]]]
) -> list[dict[str, Any]] | None:
    """A list of the service's, or None where there is none, or none that answers.

    Raises ClientError where the service was named for this.
    """
    client = public_client(arguments)
    if client is None:
        return None
    try:
        return list(list_rows(client))
    except ClientError as error:
        if arguments.url is not None:
            raise
        print(f"touchstone: {error} What ships is listed alone.", file=sys.stderr)
        return None


def fetch_task(client: Client, slug: str, version: int | None) -> TaskSpec:
    """A service's task. Raises NotFound, or Forbidden where its set is hidden."""
    bundle = client.task_bundle(slug, version=version).bundle
    try:
        return task_of_bundle(bundle)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"{client.url} gave no task that can be read: {error}.") from error


def has_form_of_slug(text: str) -> bool:
    return _SLUG.fullmatch(text) is not None


def unknown_task(client: Client, slug: str) -> SubmissionError:
    """What to say of a task that a service does not have."""
    known = [str(task["slug"]) for task in client.tasks()]
    hint = did_you_mean(slug, known) or "it has none yet"
    return SubmissionError(f"{client.url} has no task {slug!r}: {hint}")


def task_of_bundle(text: str) -> TaskSpec:
    """The one task of a bundle. Raises ValueError and its like for what is no such bundle."""
    content = yaml.safe_load(text)
    (task,), (reference,) = content["tasks"], content["reference_sets"]
    (version,) = task["versions"]
    return TaskSpec(
        slug=str(task["slug"]),
        version=int(version["number"]),
        protocol=str(version["protocol"]),
        protocol_version=int(version["protocol_version"]),
        parameters=dict(version["parameters"]),
        metrics=tuple(ScoredMetric.from_json(metric) for metric in version["metrics"]),
        reference=_reference(reference),
        limits=Limits.from_json(version["limits"]),
        seed=int(version["seed"]),
    )


def _reference(entry: Mapping[str, Any]) -> ReferenceSpec:
    sha256 = str(entry["sha256"])
    if not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no sha256")
    return ReferenceSpec(
        name=str(entry["slug"]),
        version=str(entry["version"]),
        sha256=sha256,
        level_of_theory=str(entry["level_of_theory"]),
    )


def shipped_name(sha256: str | None) -> str | None:
    """The registered set of these bytes: it is built from its authors' files, not passed on."""
    known = sets.known_references().values()
    return next((entry.name for entry in known if entry.sha256 == sha256), None)


def reference_file(client: Client, reference: ReferenceSpec) -> Path:
    """Its canonical file, out of the cache or from the service, with a bar on stderr."""
    return public_set(client, reference.sha256, f"{reference.name} {reference.version}")


def public_set(client: Client, sha256: str, title: str) -> Path:
    """The file with this sha256; ``title`` is what a reader calls it."""
    path = cache_folder() / f"{sha256}.extxyz"
    if path.is_file() and sha256_of(path) == sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tqdm(
        desc=f"Reference {title}", unit="B", unit_scale=True, leave=False, disable=None,
        file=sys.stderr,
    ) as bar:  # fmt: skip

        def show(done: int, total: int) -> None:
            bar.total, bar.n = total, done
            bar.refresh()

        try:
            client.save_public_reference_file(sha256, path, progress=show)
        except NotFound as error:
            raise SubmissionError(f"{client.url} does not give out {title}: {error}") from error
        except OSError as error:
            raise SubmissionError(f"{path} cannot be written: {error.strerror}") from error
    return path
