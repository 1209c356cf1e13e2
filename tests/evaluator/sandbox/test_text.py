from __future__ import annotations

import pytest

from evaluator.sandbox.text import clean_line, clean_text


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("plain Å text\n\twith tabs", "plain Å text\n\twith tabs"),
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07rest", "rest"),
        ("10 %\r20 %\r\n", "10 %\n20 %\n"),
        ("a\0b\x08c\x7fd\x9be", "abcde"),
        ("ab\u202edc\u200b\ufeff", "abdc"),
        ("\ud800\ue000", ""),
    ],
)
def test_control_characters_are_removed(dirty: str, clean: str) -> None:
    assert clean_text(dirty) == clean


def test_a_line_is_one_line_of_bounded_length() -> None:
    assert clean_line("  two\n\n lines ", 20) == "two lines"
    assert clean_line("x" * 100, 10) == "x" * 9 + "…"
