from __future__ import annotations

import pytest

from evaluator.runtimes.python_range import PythonRange


def test_range_holds_its_first_version_and_not_its_last() -> None:
    wanted = PythonRange.parse(">=3.10, <3.13")
    held = [v for v in ("3.9.1", "3.10.0", "3.12.9", "3.13.0", "2.11.0") if v in wanted]
    assert held == ["3.10.0", "3.12.9"]
    assert (str(wanted), wanted.lowest, wanted.has_one) == (">=3.10,<3.13", "3.10", False)
    assert PythonRange.parse(">=3.11,<3.12").has_one


@pytest.mark.parametrize(
    "text", ["", "3.11", ">=3.11", ">=3.12,<3.11", ">=3.11,<3.11", ">=2.7,<3.1"]
)
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no range of Python versions"):
        PythonRange.parse(text)
