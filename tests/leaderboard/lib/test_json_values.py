from __future__ import annotations

import math

import pytest

from leaderboard.lib.json_values import clean_json, clean_text, finite


def test_json_values_become_plain() -> None:
    given = {"a": (1, 2.5, None, True), 3: {"x": math.nan}, "t": "a\x00"}
    assert clean_json(given) == {
        "a": [1, 2.5, None, True],
        "3": {"x": None},
        "t": "a\N{REPLACEMENT CHARACTER}",
    }


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="of object cannot be stored as JSON"):
        clean_json({"a": object()})


def test_texts_become_utf8() -> None:
    assert clean_text("å\ud800") == "å?"


def test_only_finite_numbers_stay() -> None:
    assert [finite(x) for x in (1.0, math.nan, math.inf, None)] == [1.0, None, None, None]
