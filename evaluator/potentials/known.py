"""The potentials that need no download, and what their public pages say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ase.data import chemical_symbols


@dataclass(frozen=True, kw_only=True)
class KnownPotential:
    """A potential that can be had without a download, with what its public page says of it."""

    #: What ``resolve`` takes.
    reference: str
    slug: str
    name: str
    #: The authors' name of this version of the potential.
    version: str
    architecture: str
    level_of_theory: str
    licence: str
    #: Parted by commas; empty for the service's own.
    authors: str
    citation: str
    url: str
    training_set: str
    n_parameters: int | None
    #: Chemical symbols; None for all of them.
    supported_elements: tuple[str, ...] | None
    is_baseline: bool = False


#: The 89 elements of MPtrj: hydrogen to plutonium without Po, At, Rn, Fr and Ra.
MPTRJ_ELEMENTS = tuple(
    symbol for symbol in chemical_symbols[1:95] if symbol not in {"Po", "At", "Rn", "Fr", "Ra"}
)

#: As far as Cordero's covalent radii go, hydrogen to curium.
LJ_ELEMENTS = tuple(chemical_symbols[1:97])
LJ_EPSILON_eV = 0.5
EMT_ELEMENTS = ("Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au")

_CHGNET_030 = KnownPotential(
    reference="chgnet:0.3.0",
    slug="chgnet",
    name="CHGNet",
    version="0.3.0",
    architecture="CHGNet",
    level_of_theory="PBE, PBE+U",
    licence="BSD-3-Clause-LBNL",
    authors="B. Deng, P. Zhong, K. Jun, J. Riebesell, K. Han, C. J. Bartel, G. Ceder",
    citation="B. Deng et al., CHGNet as a pretrained universal neural network potential for "
    "charge-informed atomistic modelling, Nat. Mach. Intell. 5, 1031 (2023)",
    url="https://doi.org/10.1038/s42256-023-00716-3",
    training_set="MPtrj, 1.58 million structures of relaxations in the Materials Project",
    n_parameters=412_525,
    supported_elements=MPTRJ_ELEMENTS,
)

#: Carried by the wheel of the package chgnet; the newest version of a potential is submitted last.
CHGNETS = (
    replace(
        _CHGNET_030,
        reference="chgnet:0.2.0",
        version="0.2.0",
        n_parameters=400_438,
    ),
    _CHGNET_030,
    replace(
        _CHGNET_030,
        reference="chgnet:r2scan",
        slug="chgnet-r2scan",
        name="CHGNet r2SCAN",
        version="2025",
        level_of_theory="r2SCAN",
        authors="X. Huang, B. Deng, P. Zhong, A. D. Kaplan, K. A. Persson, G. Ceder",
        citation="X. Huang et al., Cross-functional transferability in foundation machine "
        "learning interatomic potentials, npj Comput. Mater. (2025)",
        url="https://doi.org/10.1038/s41524-025-01796-y",
        training_set="MP-r2SCAN (doi:10.6084/m9.figshare.28245650.v2), starting from CHGNet 0.3.0",
    ),
)

_TENSORNET_MATPES = KnownPotential(
    reference="matgl:potentials/TensorNet-MatPES-PBE-v2025.1-PES",
    slug="tensornet-matpes-pbe",
    name="TensorNet-MatPES-PBE",
    version="2025.1",
    architecture="TensorNet",
    level_of_theory="PBE",
    licence="BSD-3-Clause",
    authors="A. D. Kaplan, R. Liu, J. Qi, T. W. Ko, B. Deng, J. Riebesell, G. Ceder, "
    "K. A. Persson, S. P. Ong",
    citation="A. D. Kaplan et al., A foundational potential energy surface dataset for "
    "materials, arXiv:2503.04070 (2025)",
    url="https://arxiv.org/abs/2503.04070",
    training_set="MatPES-PBE 2025.1",
    n_parameters=837_378,
    supported_elements=MPTRJ_ELEMENTS,
)
_NEQUIX_MP_1 = KnownPotential(
    reference="nequix:potentials/nequix-mp-1.nqx",
    slug="nequix-mp",
    name="Nequix-MP",
    version="1",
    architecture="Nequix",
    level_of_theory="PBE, PBE+U",
    licence="CC-BY-4.0",
    authors="T. Koker, M. Kotak, T. Smidt",
    citation="T. Koker et al., Training a foundation model for materials on a budget, "
    "arXiv:2508.16067 (2025)",
    url="https://arxiv.org/abs/2508.16067",
    training_set="MPtrj, 1.58 million structures of relaxations in the Materials Project",
    n_parameters=None,
    supported_elements=MPTRJ_ELEMENTS,
)

#: By their file, or the folder of their files, below the mirror of reference data.
MIRRORED = {
    "potentials/M3GNet-MP-2021.2.8-PES": KnownPotential(
        reference="matgl:potentials/M3GNet-MP-2021.2.8-PES",
        slug="m3gnet-mp",
        name="M3GNet-MP",
        version="2021.2.8",
        architecture="M3GNet",
        level_of_theory="PBE, PBE+U",
        licence="BSD-3-Clause",
        authors="C. Chen, S. P. Ong",
        citation="C. Chen and S. P. Ong, A universal graph deep learning interatomic "
        "potential for the periodic table, Nat. Comput. Sci. 2, 718 (2022)",
        url="https://doi.org/10.1038/s43588-022-00349-3",
        training_set="MPF.2021.2.8, 188 thousand structures of relaxations in the "
        "Materials Project",
        n_parameters=288_157,
        supported_elements=MPTRJ_ELEMENTS,
    ),
    "potentials/TensorNet-MatPES-PBE-v2025.1-PES": _TENSORNET_MATPES,
    "potentials/TensorNet-MatPES-r2SCAN-v2025.1-PES": replace(
        _TENSORNET_MATPES,
        reference="matgl:potentials/TensorNet-MatPES-r2SCAN-v2025.1-PES",
        slug="tensornet-matpes-r2scan",
        name="TensorNet-MatPES-r2SCAN",
        level_of_theory="r2SCAN",
        training_set="MatPES-r2SCAN 2025.1",
    ),
    "potentials/nequix-mp-1.nqx": _NEQUIX_MP_1,
    "potentials/nequix-oam-1.nqx": replace(
        _NEQUIX_MP_1,
        reference="nequix:potentials/nequix-oam-1.nqx",
        slug="nequix-oam",
        name="Nequix-OAM",
        training_set="OMat24, then sAlex and MPtrj",
    ),
}

#: What one would use otherwise, without parameters that were learnt from many structures.
SEMI_EMPIRICAL = (
    KnownPotential(
        reference="xtb:gfn2",
        slug="gfn2-xtb",
        name="GFN2-xTB",
        version="2019",
        architecture="Extended tight binding",
        authors="C. Bannwarth, S. Ehlert, S. Grimme",
        citation="C. Bannwarth, S. Ehlert and S. Grimme, GFN2-xTB, an accurate and broadly "
        "parametrized self-consistent tight-binding quantum chemical method with multipole "
        "electrostatics and density-dependent dispersion contributions, J. Chem. Theory Comput. "
        "15, 1652 (2019); as in tblite, crystals at the Γ point of their cell",
        url="https://doi.org/10.1021/acs.jctc.8b01176",
        training_set="molecular geometries, frequencies and interactions, element by element",
        n_parameters=None,
        supported_elements=tuple(chemical_symbols[1:87]),
        level_of_theory="semi-empirical",
        licence="LGPL-3.0-or-later",
        is_baseline=True,
    ),
)

BASELINES = (
    KnownPotential(
        reference="ase:lj",
        slug="lennard-jones-covalent",
        name="Lennard-Jones from covalent radii",
        version="1",
        architecture="Lennard-Jones",
        authors="",
        citation="Radii: B. Cordero et al., Covalent radii revisited, Dalton Trans. 2832 (2008)",
        url="https://doi.org/10.1039/b801115j",
        training_set="none: minimum at the sum of covalent radii, well depth 0.5 eV for all",
        n_parameters=len(LJ_ELEMENTS) + 1,
        supported_elements=LJ_ELEMENTS,
        level_of_theory="empirical",
        licence="MIT",
        is_baseline=True,
    ),
    KnownPotential(
        reference="ase:emt",
        slug="emt",
        name="EMT",
        version="1996",
        architecture="Effective medium theory",
        authors="K. W. Jacobsen, P. Stoltze, J. K. Nørskov",
        citation="K. W. Jacobsen, P. Stoltze and J. K. Nørskov, A semi-empirical effective "
        "medium theory for metals and alloys, Surf. Sci. 366, 394 (1996); as in ASE",
        url="https://doi.org/10.1016/0039-6028(96)00816-3",
        training_set="properties of the seven metals",
        n_parameters=None,
        supported_elements=EMT_ELEMENTS,
        level_of_theory="empirical",
        licence="MIT",
        is_baseline=True,
    ),
    KnownPotential(
        reference="ase:tersoff-si",
        slug="tersoff-si",
        name="Tersoff Si",
        version="1989",
        architecture="Tersoff",
        authors="J. Tersoff",
        citation="J. Tersoff, Modeling solid-state chemistry: Interatomic potentials for "
        "multicomponent systems, Phys. Rev. B 39, 5566 (1989); as in ASE",
        url="https://doi.org/10.1103/PhysRevB.39.5566",
        training_set="polytypes and elastic constants of silicon",
        n_parameters=14,
        supported_elements=("Si",),
        level_of_theory="empirical",
        licence="MIT",
        is_baseline=True,
    ),
    KnownPotential(
        reference="dummy:zero",
        slug="zero-forces",
        name="Zero energy, zero forces",
        version="1",
        architecture="none",
        authors="",
        citation="",
        url="",
        training_set="none",
        n_parameters=None,
        supported_elements=None,
        level_of_theory="empirical",
        licence="MIT",
        is_baseline=True,
    ),
)
