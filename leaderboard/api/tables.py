"""Tables as CSV and XLSX, safe to open in a spreadsheet, as JSON Lines, Parquet and LaTeX."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drf_spectacular.types import OpenApiTypes
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from leaderboard.api.workbook import UNPRINTABLE, workbook

_HARMLESS = frozenset({float, int, bool, type(None)})
#: A cell that begins so is a formula to a spreadsheet (OWASP, CSV injection).
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Table:
    filename: str
    columns: list[str]
    rows: Sequence[Sequence[Cell]]

    def response(self, request: Request) -> Response:
        """Answer a client that asked for a table."""
        suffix = request.accepted_renderer.format
        disposition = f'attachment; filename="{self.filename}.{suffix}"'
        response = Response(self, headers={"Content-Disposition": disposition})
        # The framework takes the type of an empty body away, and lines of nothing are empty.
        media_type = request.accepted_renderer.media_type
        response.add_post_render_callback(
            lambda done: done.headers.setdefault("Content-Type", media_type)
        )
        return response


class TableRenderer(BaseRenderer):
    """One way of writing a table down."""

    @abstractmethod
    def write(self, data: Table) -> bytes:
        """The whole file."""

    def render(
        self,
        data: Table,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        return self.write(data)


class CSVRenderer(TableRenderer):
    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def write(self, data: Table) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([disarm(column) for column in data.columns])
        writer.writerows(
            [cell if type(cell) in _HARMLESS else disarm(cell) for cell in row] for row in data.rows
        )
        return text.getvalue().encode()


class JSONLinesRenderer(TableRenderer):
    """One object for each row."""

    media_type = "application/x-ndjson"
    format = "jsonl"
    charset = "utf-8"

    def write(self, data: Table) -> bytes:
        lines = (
            json.dumps(dict(zip(data.columns, row, strict=True)), ensure_ascii=False)
            for row in data.rows
        )
        return "".join(f"{line}\n" for line in lines).encode()


class ParquetRenderer(TableRenderer):
    """A column whose cells are of several kinds is written as text."""

    media_type = "application/vnd.apache.parquet"
    format = "parquet"
    charset = None
    render_style = "binary"

    def write(self, data: Table) -> bytes:
        import pyarrow as pa
        from pyarrow import parquet

        columns = {
            name: _of_one_kind([row[i] for row in data.rows]) for i, name in enumerate(data.columns)
        }
        sink = io.BytesIO()
        parquet.write_table(pa.table(columns), sink)
        return sink.getvalue()


class XLSXRenderer(TableRenderer):
    """A workbook of one sheet. Texts are stored as texts, never as formulas."""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    format = "xlsx"
    charset = None
    render_style = "binary"

    def write(self, data: Table) -> bytes:
        title = re.sub(r"[^\w .-]", " ", data.filename)[:31]
        rows = ([_single(cell) for cell in row] for row in data.rows)
        return workbook(title, [data.columns, *rows])


class LaTeXRenderer(TableRenderer):
    """A tabular for the package booktabs."""

    media_type = "application/x-latex"
    format = "tex"
    charset = "utf-8"

    def write(self, data: Table) -> bytes:
        rows = [" & ".join(_latex(cell) for cell in row) + r" \\" for row in data.rows]
        numeric = [
            all(isinstance(row[i], int | float | None) for row in data.rows)
            for i in range(len(data.columns))
        ]
        lines = [
            "% \\usepackage{booktabs} in the preamble; compile with XeLaTeX or LuaLaTeX.",
            "\\begin{tabular}{" + "".join("r" if n else "l" for n in numeric) + "}",
            r"\toprule",
            " & ".join(_latex(column) for column in data.columns) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
        ]
        return ("\n".join(lines) + "\n").encode()


TABLE_FORMATS = ("csv", "jsonl", "parquet", "xlsx", "tex")
_LATEX = str.maketrans(
    {
        **{c: "\\" + c for c in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **dict.fromkeys("\r\n\t", " "),
    }
)


def is_table(request: Request) -> bool:
    """Whether the client asked for a table rather than for JSON."""
    return request.accepted_renderer.format in TABLE_FORMATS


def tables(answer: object) -> dict[tuple[int, str], object]:
    """Describe for the schema: JSON, and the same rows as tables."""
    return {
        (200, "application/json"): answer,
        (200, "text/csv"): str,
        (200, "application/x-ndjson"): str,
        (200, "application/vnd.apache.parquet"): OpenApiTypes.BINARY,
        (200, XLSXRenderer.media_type): OpenApiTypes.BINARY,
        (200, LaTeXRenderer.media_type): str,
    }


def _of_one_kind(cells: list[Any]) -> list[Any]:
    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) <= 1 and kinds <= {str, int, float, bool}:
        return cells
    if kinds == {int, float}:
        return [None if cell is None else float(cell) for cell in cells]
    return [None if c is None else c if isinstance(c, str) else json.dumps(c) for c in cells]


def _single(cell: object) -> Cell:
    """A record's curve is a list: one cell of a sheet holds it as text."""
    if cell is None or isinstance(cell, str | int | float):
        return cell
    return json.dumps(cell, ensure_ascii=False)


def _printable(value: Cell) -> Cell:
    return UNPRINTABLE.sub("", value) if isinstance(value, str) else value


def _latex(value: Cell) -> str:
    """Three decimals, as on the page; a dash where there is nothing."""
    if value is None:
        return "--"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}" if math.isfinite(value) else "--"
    return str(_printable(str(value))).translate(_LATEX)


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
