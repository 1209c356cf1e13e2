"""Tables as CSV files, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

#: A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection).
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    filename: str
    columns: list[str]
    rows: Sequence[Sequence[Cell]]

    def response(self) -> Response:
        """For a view whose client asked for CSV."""
        disposition = f'attachment; filename="{self.filename}"'
        return Response(self, headers={"Content-Disposition": disposition})


class CSVRenderer(BaseRenderer):
    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Table,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([disarm(column) for column in data.columns])
        writer.writerows([[disarm(cell) for cell in row] for row in data.rows])
        return text.getvalue().encode()


def disarm(value: object) -> Cell:
    """A cell that no spreadsheet takes for a formula; numbers stay numbers, None is empty.

    >>> disarm("=HYPERLINK()"), disarm(-1.5)
    ("'=HYPERLINK()", -1.5)
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "'" + text if text.lstrip(" ").startswith(_FORMULA) else text


def with_unit(name: str, unit: str) -> str:
    """A column's heading.

    >>> with_unit("force_mae", "eV/Å")
    'force_mae [eV/Å]'
    """
    return f"{name} [{unit}]" if unit else name
