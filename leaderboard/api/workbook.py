"""A workbook of one sheet (Office Open XML, ECMA-376), written out as the few files that it is.

Texts are stored as texts, never as formulas. General libraries make an object of every cell, which
takes seconds for the board of a thousand potentials.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
from collections.abc import Iterator, Sequence
from html import escape

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PARTS = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FILES = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_PARTS}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_PARTS}.worksheet+xml"/>'
        "</Types>"
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_LINKS}"><Relationship Id="rId1" '
        f'Type="{_TYPES}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_LINKS}"><Relationship Id="rId1" '
        f'Type="{_TYPES}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}
#: The first row stays in sight.
_HEAD = (
    f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" '
    'topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><sheetData>'
)
#: What XML cannot hold.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

Value = str | int | float | bool | None


def workbook(title: str, rows: Sequence[Sequence[Value]]) -> bytes:
    """The whole file; the sheet's title holds letters, digits, spaces and ``_.-``, at most 31."""
    book = (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_TYPES}"><sheets>'
        f'<sheet name="{escape(title)}" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    sheet = "".join((_XML, _HEAD, *_rows(rows), "</sheetData></worksheet>"))
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as file:
        for name, text in {**_FILES, "xl/workbook.xml": book}.items():
            file.writestr(name, _XML + text)
        file.writestr("xl/worksheets/sheet1.xml", sheet)
    return sink.getvalue()


def _rows(rows: Sequence[Sequence[Value]]) -> Iterator[str]:
    columns = [_letters(n) for n in range(max(map(len, rows), default=0))]
    for n, row in enumerate(rows, 1):
        cells = "".join(
            _cell(f"{column}{n}", value) for column, value in zip(columns, row, strict=False)
        )
        yield f'<row r="{n}">{cells}</row>'


def _cell(at: str, value: Value) -> str:
    """An empty one, or one that is no finite number, is left out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return f'<c r="{at}" t="b"><v>{int(value)}</v></c>'
    if isinstance(value, str):
        text = escape(UNPRINTABLE.sub("", value))
        return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    return f'<c r="{at}"><v>{value!r}</v></c>' if math.isfinite(value) else ""


def _letters(n: int) -> str:
    """Name a column: A to Z, AA, AB, ..."""
    name = ""
    n += 1
    while n:
        n, rest = divmod(n - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
