from __future__ import annotations

import io
from typing import Any

import pytest

from leaderboard.api.tables import CSVRenderer, LaTeXRenderer, Table, XLSXRenderer, disarm


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    assert disarm(text) == "'" + text


@pytest.mark.parametrize("value", ["Al", "a=b", "", -1.5, 3, True, None])
def test_other_cells_stay_as_they_are(value: object) -> None:
    assert disarm(value) == value


def test_numbers_keep_every_digit_and_texts_their_commas() -> None:
    table = Table("x.csv", ["name", "x"], [['a, "b"', 0.1 + 0.2], [None, 1e-300]])
    assert CSVRenderer().render(table) == (
        b'name,x\r\n"a, ""b""",0.30000000000000004\r\n,1e-300\r\n'
    )


def sheet_of(table: Table) -> Any:
    from openpyxl import load_workbook  # each process of a session would load it

    return load_workbook(io.BytesIO(XLSXRenderer().render(table))).active


def test_a_workbook_holds_hostile_texts_as_texts_and_numbers_as_numbers() -> None:
    rows: list[list[Any]] = [["=HYPERLINK(1)", 0.5, True], ["a\x0bb", None, False]]
    table = Table(filename="core:v1", columns=["name", "score", "flag"], rows=rows)
    sheet = sheet_of(table)
    assert sheet.title == "core v1"
    assert [[cell.value for cell in row] for row in sheet.iter_rows()] == [
        ["name", "score", "flag"],
        ["=HYPERLINK(1)", 0.5, True],
        ["ab", None, False],
    ]
    assert sheet["A2"].data_type == "s"


def test_a_curve_is_one_cell_of_a_workbook() -> None:
    table = Table(filename="x", columns=["curve"], rows=[[[1.5, 2.5]]])  # type: ignore[list-item]
    sheet = sheet_of(table)
    assert sheet["A2"].value == "[1.5, 2.5]"


def test_latex_escapes_what_latex_would_run() -> None:
    table = Table(filename="x", columns=["a_b", "n"], rows=[["\\input{x} & 50%", 0.12345], ["", 2]])
    assert LaTeXRenderer().render(table).decode().splitlines()[1:] == [
        "\\begin{tabular}{lr}",
        "\\toprule",
        "a\\_b & n \\\\",
        "\\midrule",
        "\\textbackslash{}input\\{x\\} \\& 50\\% & 0.123 \\\\",
        " & 2 \\\\",
        "\\bottomrule",
        "\\end{tabular}",
    ]
