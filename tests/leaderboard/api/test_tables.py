from __future__ import annotations

import pytest

from leaderboard.api.tables import CSVRenderer, Table, disarm


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
