"""Fields of a task version that are stored as JSON and filled in by row: metrics, limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from evaluator.catalog import METRICS, Direction, Metric, Protocol
from evaluator.contract import Limits
from leaderboard.services.definitions.task_checks import complaints_by_limit, complaints_by_metric

_ANCHORS = ("good", "bad", "worst", "weight")
#: May be left empty: the task is then scored by anchors.
_OPTIONAL = ("noise",)
#: What a stored row means that leaves it out.
_USUAL = {"weight": 1.0}
_PERFECT = {Direction.LOWER: 0.0, Direction.ONE: 1.0}
LIMITS = {"wall_time_s": "s in all", "call_timeout_s": "s a force call", "memory_MiB": "MiB"}


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One line of the table, with what stands in its boxes."""

    metric: Metric
    is_used: bool
    values: Mapping[str, Any]
    scale: str
    #: What is wrong with it, a sentence each.
    complaints: Sequence[str]


class TableWidget(forms.Widget):
    """Drawn by a template of the project, which form renderers do not look for."""

    template_name: str

    def render(
        self,
        name: str,
        value: Any,  # noqa: ANN401  (Django's signature, here and below)
        attrs: dict[str, Any] | None = None,
        renderer: Any = None,  # noqa: ANN401
    ) -> SafeString:
        return render_to_string(self.template_name, self.get_context(name, value, attrs))

    def value_omitted_from_data(
        self,
        data: Mapping[str, Any],
        files: Any,  # noqa: ANN401
        name: str,
    ) -> bool:
        return False

    def id_for_label(self, id_: str | None) -> str:
        return ""


class MetricsWidget(TableWidget):
    """One line for each metric of the protocol."""

    template_name = "admin/leaderboard/widgets/metrics.html"

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__()
        self.keys = keys
        #: Of the last rows that were judged.
        self.complaints: Mapping[str, Sequence[str]] = {}

    def get_context(
        self,
        name: str,
        value: Any,  # noqa: ANN401  (Django's signature)
        attrs: dict[str, Any] | None,
    ) -> dict[str, Any]:
        rows = {row.get("key"): row for row in value or [] if isinstance(row, dict)}
        lines = [
            MetricRow(
                metric=METRICS[key],
                is_used=key in rows and rows[key].get("is_used", True),
                values={
                    n: rows.get(key, {}).get(n, _USUAL.get(n)) for n in (*_ANCHORS, *_OPTIONAL)
                },
                scale=rows.get(key, {}).get("scale", "linear"),
                complaints=self.complaints.get(key, ()),
            )
            for key in self.keys
        ]
        return {**super().get_context(name, value, attrs), "lines": lines}

    def value_from_datadict(
        self,
        data: Mapping[str, Any],
        files: Any,  # noqa: ANN401
        name: str,
    ) -> list[dict[str, Any]]:
        rows = []
        for key in self.keys:
            parts = (*_ANCHORS, *_OPTIONAL)
            row = {part: data.get(f"{name}-{key}-{part}", "") for part in parts}
            row["scale"] = data.get(f"{name}-{key}-scale", "linear")
            row["is_used"] = f"{name}-{key}-use" in data
            rows.append({"key": key, **row})
        return rows


class MetricsField(forms.Field):
    """Gives the rows that are used, with numbers, judged as publishing does.

    What is wrong with a row is told at that row, of all rows at once.
    """

    def __init__(self, protocol: Protocol, **options: Any) -> None:  # noqa: ANN401
        super().__init__(widget=MetricsWidget(protocol.metrics), **options)
        self.protocol = protocol

    def clean(self, value: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        rows = [_as_row(given) for given in value if given["is_used"]]
        if not rows:
            raise ValidationError("Choose at least one metric.")
        unread = {
            row["key"]: [
                f"{n} must be a finite number" for n, number in row.items() if number is None
            ]
            for row in rows
        }
        unread = {key: wrong for key, wrong in unread.items() if wrong}
        complete = [row for row in rows if row["key"] not in unread]
        judged = complaints_by_metric(self.protocol, complete) if complete else {}
        if unread:  # what the unread rows weigh is not known
            judged.pop("", None)
        complaints = {**judged, **unread}
        self.widget.complaints = complaints
        if complaints:
            raise ValidationError(
                [
                    f"{key}: {text}." if key else f"{text[:1].upper()}{text[1:]}."
                    for key, wrong in complaints.items()
                    for text in wrong
                ]
            )
        return rows

    def has_changed(self, initial: Any, data: Any) -> bool:  # noqa: ANN401
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True


def used_keys(value: Any) -> list[str]:  # noqa: ANN401  (what the widget gives)
    """The metrics that are ticked, whatever else is wrong with their rows."""
    return [row["key"] for row in value or [] if row.get("is_used")]


def _as_row(given: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as numbers, None for what is none."""
    row: dict[str, Any] = {"key": given["key"], "scale": given["scale"]}
    given_parts = [name for name in _OPTIONAL if str(given.get(name, "")).strip()]
    return row | {name: _number(given[name]) for name in (*_ANCHORS, *given_parts)}


class LimitsWidget(TableWidget):
    template_name = "admin/leaderboard/widgets/limits.html"

    def __init__(self) -> None:
        super().__init__()
        #: Of the last limits that were judged.
        self.complaints: Mapping[str, str] = {}

    def get_context(
        self,
        name: str,
        value: Any,  # noqa: ANN401
        attrs: dict[str, Any] | None,
    ) -> dict[str, Any]:
        usual, given = Limits().to_json(), value or {}
        lines = [
            {
                "name": part,
                "unit": unit,
                "value": given.get(part, ""),
                "usual": usual[part],
                "complaint": self.complaints.get(part, ""),
            }
            for part, unit in LIMITS.items()
        ]
        return {**super().get_context(name, value, attrs), "lines": lines}

    def value_from_datadict(
        self,
        data: Mapping[str, Any],
        files: Any,  # noqa: ANN401
        name: str,
    ) -> dict[str, Any]:
        return {part: data.get(f"{name}-{part}", "") for part in LIMITS}


class LimitsField(forms.Field):
    """Left out means the usual one."""

    widget = LimitsWidget

    def __init__(self, **options: Any) -> None:  # noqa: ANN401
        super().__init__(required=False, **options)

    def clean(self, value: Any) -> dict[str, Any]:  # noqa: ANN401
        limits: dict[str, Any] = {}
        for name, text in value.items():
            if str(text).strip():
                number = _number(text)
                is_whole = number is not None and number == int(number)
                limits[name] = int(number or 0) if name == "memory_MiB" and is_whole else number
        complaints = complaints_by_limit(limits)
        self.widget.complaints = complaints
        if complaints:
            raise ValidationError([f"{text}." for text in complaints.values()])
        return limits

    def has_changed(self, initial: Any, data: Any) -> bool:  # noqa: ANN401
        try:
            return bool(self.clean(data) != (initial or {}))
        except ValidationError:
            return True


def suggested_metrics(protocol: Protocol, dummy: Mapping[str, float]) -> list[dict[str, Any]]:
    """What a new draft begins with: perfect is good, and as bad as a dummy is bad.

    Where nothing is known of a dummy, the administrator has to say what is bad.
    """
    rows = []
    for key in protocol.metrics:
        direction, bad = METRICS[key].direction, dummy.get(key)
        good = _PERFECT.get(direction)
        is_useful = good is not None and bad is not None and good != bad
        rows.append(
            {
                "key": key,
                "good": good,
                "bad": bad if is_useful else None,
                "worst": bad if is_useful else None,
                "weight": 1.0,
                "is_used": False,
            }
        )
    return rows


def _number(value: object) -> float | None:
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
