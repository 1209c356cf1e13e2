import pytest
from ase import Atoms

from evaluator.cli.system_names import matching
from evaluator.exceptions import SubmissionError
from evaluator.protocols.base import System

SYSTEMS = [
    System(id="phonondb-LiF-rocksalt", atoms=Atoms("FLi")),
    System(id="phonondb-ZnO-wurtzite", atoms=Atoms("O2Zn2")),
    System(id="phonondb-ZnO-zincblende", atoms=Atoms("ZnO")),
    System(id="md-CsPbCl3-seed0", atoms=Atoms("CsPbCl3")),
    System(id="Co", atoms=Atoms("Co2")),
    System(id="carbon-monoxide", atoms=Atoms("CO")),
]
LIF, ZNO = {"phonondb-LiF-rocksalt"}, {"phonondb-ZnO-wurtzite", "phonondb-ZnO-zincblende"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LiF", LIF),
        ("FLi", LIF),
        ("Li4F4", LIF),
        ("lif", LIF),
        ("phonondb-lif-rocksalt", LIF),
        ("OZn", ZNO),
        ("Zn2O2", ZNO),
        ("Cl3PbCs", {"md-CsPbCl3-seed0"}),
        ("CsPbCl₃", {"md-CsPbCl3-seed0"}),
        ("cs pb cl3", {"md-CsPbCl3-seed0"}),
        ("Co", {"Co"}),  # a name comes before formulas: cobalt, and not carbon monoxide
        ("CO", {"carbon-monoxide"}),
        ("OC", {"carbon-monoxide"}),
    ],
)
def test_a_system_is_meant_by_its_name_or_its_formula_in_any_order(
    name: str, meant: set[str]
) -> None:
    assert matching([name], SYSTEMS) == meant


def test_several_names_mean_all_of_them() -> None:
    assert matching(["FLi", "zno", "Co"], SYSTEMS) == LIF | ZNO | {"Co"}


def test_what_means_nothing_is_named_with_all_that_there_is() -> None:
    with pytest.raises(SubmissionError) as caught:
        matching(["LiF", "NaCl", "phonondb-LiF-rocksal"], SYSTEMS)
    assert str(caught.value) == (
        "the task has no system 'NaCl' nor 'phonondb-LiF-rocksal'. Did you mean "
        "phonondb-LiF-rocksalt? Its formulas are CO, Co, CsPbCl3, LiF, ZnO; its systems are "
        "phonondb-LiF-rocksalt, phonondb-ZnO-wurtzite, phonondb-ZnO-zincblende, md-CsPbCl3-seed0, "
        "Co, carbon-monoxide"
    )


def test_a_long_list_is_cut() -> None:
    many = [System(id=f"system-{i}", atoms=Atoms("H")) for i in range(1170)]
    with pytest.raises(SubmissionError, match=r"system-11 and 1158 more$"):
        matching(["Xx"], many)
    with pytest.raises(SubmissionError, match="no system ','"):
        matching([","], many)
