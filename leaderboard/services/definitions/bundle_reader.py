"""Reads a YAML bundle into plain records; every complaint names its place, as tasks[0].slug."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from leaderboard.enums import VersionState
from leaderboard.exceptions import SubmissionError

FORMAT = 1
MAX_BYTES = 2 * 2**20

_HOW_TO_SHA256 = (
    "It is that of the canonical file: touchstone data check FILE prints it, with the convention "
    "as options."
)


@dataclass(frozen=True, kw_only=True)
class ReferenceEntry:
    """A reference set, and where its bytes are: a file beside the bundle, or a URL."""

    place: str
    slug: str
    version: str
    sha256: str
    title: str
    level_of_theory: str
    licence: str
    citation: str
    url: str
    is_public: bool
    file: str
    download: str
    convention: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TaskVersionEntry:
    place: str
    number: int
    state: str
    protocol: str
    protocol_version: int
    #: "slug version", or nothing.
    reference_set: str
    parameters: Mapping[str, Any]
    metrics: list[Any]
    limits: Mapping[str, Any]
    min_coverage: float
    seed: int
    description: str
    limitations: str


@dataclass(frozen=True, kw_only=True)
class TaskEntry:
    place: str
    slug: str
    name: str
    summary: str
    versions: list[TaskVersionEntry]


@dataclass(frozen=True, kw_only=True)
class BenchmarkRow:
    place: str
    task: str
    version: int
    category: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class BenchmarkVersionEntry:
    place: str
    number: int
    state: str
    categories: Mapping[str, float]
    tasks: list[BenchmarkRow]


@dataclass(frozen=True, kw_only=True)
class BenchmarkEntry:
    place: str
    slug: str
    name: str
    summary: str
    versions: list[BenchmarkVersionEntry]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    reference_sets: list[ReferenceEntry] = field(default_factory=list)
    tasks: list[TaskEntry] = field(default_factory=list)
    benchmarks: list[BenchmarkEntry] = field(default_factory=list)


def read_bundle(text: str) -> Bundle:
    """Raises SubmissionError that maps each bad place to a sentence."""
    content = _parse(text)
    errors: dict[str, str] = {}
    top = _Fields(content, "", errors)
    if top.whole("touchstone") != FORMAT and not errors:
        errors["touchstone"] = f"must be {FORMAT}, the format that this release reads."
    bundle = Bundle(
        reference_sets=top.each("reference_sets", _reference),
        tasks=top.each("tasks", _task),
        benchmarks=top.each("benchmarks", _benchmark),
    )
    top.end()
    if errors:
        raise SubmissionError(errors)
    return bundle


class _Loader(yaml.SafeLoader):
    """Plain data alone: no tags, no anchors (they can grow without bounds), no doubled keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401  (PyYAML's signature)
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases are not read", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: ANN401
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands twice", key_node.start_mark
                )
            seen.add(str(key))
        return super().construct_mapping(node, deep)


def _parse(text: str) -> Any:  # noqa: ANN401  (any YAML value)
    if len(text.encode()) > MAX_BYTES:
        raise SubmissionError(f"The bundle is larger than {MAX_BYTES >> 20} MiB.")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader with less)
    except yaml.YAMLError as error:
        raise SubmissionError(f"It cannot be read as YAML: {error}") from error
    except RecursionError as error:
        raise SubmissionError("It cannot be read as YAML: it is nested too deep.") from error


class _Fields:
    """Takes the fields of one mapping one by one; what is left over in the end is unknown."""

    def __init__(self, content: Any, place: str, errors: dict[str, str]) -> None:  # noqa: ANN401
        self.place, self._errors = place, errors
        self._left: dict[Any, Any] = dict(content) if isinstance(content, Mapping) else {}
        if not isinstance(content, Mapping):
            errors[place] = "must be a mapping of names to values."

    def text(self, name: str, default: str | None = None, *, hint: str = "") -> str:
        """``hint`` says where to find it, should it be missing."""
        value = self._take(name, default, hint)
        if not isinstance(value, str):
            self._complain(name, f"must be a text, not {value!r}: put it in quotes.")
            return ""
        return value.strip()

    def whole(self, name: str, default: int | None = None) -> int:
        value = self._take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self._complain(name, f"must be a whole number, not {value!r}.")
            return 0
        return value

    def number(self, name: str, default: float | None = None) -> float:
        return self._number(name, self._take(name, default))

    def flag(self, name: str, default: bool) -> bool:
        value = self._take(name, default)
        if not isinstance(value, bool):
            self._complain(name, f"must be true or false, not {value!r}.")
        return bool(value)

    def choice(self, name: str, known: list[str], default: str | None = None) -> str:
        value = self._take(name, default)
        if value not in known:
            self._complain(name, f"must be one of {', '.join(known)}, not {value!r}.")
        return str(value)

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._take(name, {})
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            self._complain(name, "must be a mapping of names to values.")
            return {}
        return dict(value)

    def numbers(self, name: str) -> dict[str, float]:
        return {k: self._number(f"{name}.{k}", v) for k, v in self.mapping(name).items()}

    def list_of(self, name: str) -> list[Any]:
        value = self._take(name, [])
        if not isinstance(value, list):
            self._complain(name, "must be a list.")
            return []
        return value

    def each(self, name: str, read: Callable[[_Fields], Any]) -> list[Any]:
        records = []
        for i, content in enumerate(self.list_of(name)):
            entry = _Fields(content, self._at(f"{name}[{i}]"), self._errors)
            records.append(read(entry))
            entry.end()
        return records

    def end(self) -> None:
        for name in self._left:
            self._complain(str(name), "is unknown.")

    def _take(self, name: str, default: Any, hint: str = "") -> Any:  # noqa: ANN401
        if name in self._left:
            return self._left.pop(name)
        if default is None:
            self._complain(name, f"is missing. {hint}".rstrip())
            return None
        return default

    def _number(self, name: str, value: Any) -> float:  # noqa: ANN401
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not math.isfinite(value)
        ):
            self._complain(name, f"must be a finite number, not {value!r}.")
            return 0.0
        return float(value)

    def _at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _complain(self, name: str, sentence: str) -> None:
        self._errors.setdefault(self._at(name), sentence)  # the first says most


def _reference(fields: _Fields) -> ReferenceEntry:
    return ReferenceEntry(
        place=fields.place,
        slug=fields.text("slug"),
        version=fields.text("version"),
        sha256=fields.text("sha256", hint=_HOW_TO_SHA256),
        title=fields.text("title"),
        level_of_theory=fields.text("level_of_theory"),
        licence=fields.text("licence"),
        citation=fields.text("citation"),
        url=fields.text("url", ""),
        is_public=fields.flag("is_public", default=True),
        file=fields.text("file", ""),
        download=fields.text("download", ""),
        convention={str(k): str(v) for k, v in fields.mapping("convention").items()},
    )


def _task(fields: _Fields) -> TaskEntry:
    return TaskEntry(
        place=fields.place,
        slug=fields.text("slug"),
        name=fields.text("name"),
        summary=fields.text("summary"),
        versions=fields.each("versions", _task_version),
    )


def _task_version(fields: _Fields) -> TaskVersionEntry:
    return TaskVersionEntry(
        place=fields.place,
        number=fields.whole("number"),
        state=fields.choice("state", list(VersionState.values), VersionState.DRAFT.value),
        protocol=fields.text("protocol"),
        protocol_version=fields.whole("protocol_version"),
        reference_set=fields.text("reference_set", ""),
        parameters=fields.mapping("parameters"),
        metrics=fields.list_of("metrics"),
        limits=fields.mapping("limits"),
        min_coverage=fields.number("min_coverage", 0.5),
        seed=fields.whole("seed", 0),
        description=fields.text("description"),
        limitations=fields.text("limitations"),
    )


def _benchmark(fields: _Fields) -> BenchmarkEntry:
    return BenchmarkEntry(
        place=fields.place,
        slug=fields.text("slug"),
        name=fields.text("name"),
        summary=fields.text("summary"),
        versions=fields.each("versions", _benchmark_version),
    )


def _benchmark_version(fields: _Fields) -> BenchmarkVersionEntry:
    return BenchmarkVersionEntry(
        place=fields.place,
        number=fields.whole("number"),
        state=fields.choice("state", list(VersionState.values), VersionState.DRAFT.value),
        categories=fields.numbers("categories"),
        tasks=fields.each("tasks", _benchmark_row),
    )


def _benchmark_row(fields: _Fields) -> BenchmarkRow:
    return BenchmarkRow(
        place=fields.place,
        task=fields.text("task"),
        version=fields.whole("version"),
        category=fields.text("category"),
        weight=fields.number("weight", 1.0),
    )
