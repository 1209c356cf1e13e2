from __future__ import annotations

import pytest

from evaluator.calculators.base import LoadError
from evaluator.calculators.choices import choose


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [("", [], ""), ("", ["PBE"], "PBE"), ("PBE", ["PBE", "R2SCAN"], "PBE")],
)
def test_choose_takes_what_is_named_or_the_only_one(
    wanted: str, offered: list[str], chosen: str
) -> None:
    assert choose("modal", wanted, offered, "this model") == chosen


@pytest.mark.parametrize(
    ("wanted", "offered", "message"),
    [
        ("", ["PBE", "R2SCAN"], "set modal to one of PBE, R2SCAN"),
        ("pbe", ["PBE", "R2SCAN"], r"no modal 'pbe'; it has PBE, R2SCAN; did you mean PBE\?"),
        ("PBE", [], 'nothing to choose by "modal": leave it out'),
    ],
)
def test_choose_never_guesses(wanted: str, offered: list[str], message: str) -> None:
    with pytest.raises(LoadError, match=message):
        choose("modal", wanted, offered, "this model")
