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

_ANCHORS = ("good", "bad", "worst", "weight")
_PERFECT = {Direction.LOWER: 0.0, Direction.ONE: 1.0}
LIMITS = {"wall_time_s": "s in all", "call_timeout_s": "s a force call", "memory_MiB": "MiB"}


@dataclass(frozen=True, kw_only=True)
class MetricRow:
    """One line of the table, with what stands in its boxes."""

    metric: Metric
    is_used: bool
    values: Mapping[str, Any]
    scale: str


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
                values={name: rows.get(key, {}).get(name) for name in _ANCHORS},
                scale=rows.get(key, {}).get("scale", "linear"),
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
            row = {part: data.get(f"{name}-{key}-{part}", "") for part in _ANCHORS}
            row["scale"] = data.get(f"{name}-{key}-scale", "linear")
            row["is_used"] = f"{name}-{key}-use" in data
            rows.append({"key": key, **row})
        return rows


class MetricsField(forms.Field):
    """Gives the rows that are used, with numbers; the judge of publishing does the rest."""

    def __init__(self, protocol: Protocol, **options: Any) -> None:  # noqa: ANN401
        super().__init__(widget=MetricsWidget(protocol.metrics), **options)

    def clean(self, value: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        rows, complaints = [], []
        for given in value:
            if not given["is_used"]:
                continue
            row: dict[str, Any] = {"key": given["key"], "scale": given["scale"]}
            for name in _ANCHORS:
                number = _number(given[name])
                if number is None:
                    complaints.append(f"{given['key']}: {name} must be a finite number.")
                row[name] = number
            rows.append(row)
        if complaints:
            raise ValidationError(complaints)
        if not rows:
            raise ValidationError("Choose at least one metric.")
        return rows

    def has_changed(self, initial: Any, data: Any) -> bool:  # noqa: ANN401
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True


class LimitsWidget(TableWidget):
    template_name = "admin/leaderboard/widgets/limits.html"

    def get_context(
        self,
        name: str,
        value: Any,  # noqa: ANN401
        attrs: dict[str, Any] | None,
    ) -> dict[str, Any]:
        usual, given = Limits().to_json(), value or {}
        lines = [
            {"name": part, "unit": unit, "value": given.get(part, ""), "usual": usual[part]}
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
            if not str(text).strip():
                continue
            number = _number(text)
            if number is None or number <= 0:
                raise ValidationError(f"{name} must be a positive number.")
            limits[name] = int(number) if name == "memory_MiB" else number
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
