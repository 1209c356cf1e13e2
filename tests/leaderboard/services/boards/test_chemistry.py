"""Which systems belong to a chemistry."""

from __future__ import annotations

import pytest

from leaderboard.services.boards.chemistry import elements_of, read_chemistry

SYSTEMS = ("Cu", "Al-Ni", "O-Si", "Cl-Na", "Ga-N", "C-H-O", "Li-N-O", "O", "C", "F-Li-O", "")


def held(text: str) -> list[str]:
    chemistry = read_chemistry(text)
    return [name for name in SYSTEMS if chemistry.holds(elements_of(name))]


@pytest.mark.parametrize(
    ("text", "systems"),
    [
        ("Si,O", ["O-Si", "O"]),
        ("O Si", ["O-Si", "O"]),
        ("C-H-O", ["C-H-O", "O", "C"]),
        ("metals", ["Cu", "Al-Ni"]),
        ("Oxides", ["O-Si", "Li-N-O", "F-Li-O"]),
        ("nitrides", ["Ga-N"]),
        ("halides", ["Cl-Na"]),
        ("organics", ["C-H-O"]),
        ("Og", []),
    ],
)
def test_a_system_belongs_that_is_made_of_it_alone(text: str, systems: list[str]) -> None:
    assert held(text) == systems


def test_the_same_elements_are_the_same_chemistry() -> None:
    assert read_chemistry("Si,O,Si") == read_chemistry("O Si")
    assert str(read_chemistry("Si,O")) == "O,Si"
    assert read_chemistry("Si,O").words == "O, Si alone"
    assert str(read_chemistry(" METALS ")) == "metals"


@pytest.mark.parametrize("text", ["Qq", "molecules", "oxides,Si"])
def test_a_word_that_is_neither_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"no chemical symbol.*metals, oxides, nitrides, halides"):
        read_chemistry(text)


def test_nothing_is_no_chemistry() -> None:
    with pytest.raises(ValueError, match="must name elements"):
        read_chemistry(" , ")
