"""Trained potentials whose weights come inside the packages of a runtime.

Their bytes are found there without importing anything, and submitted like any other upload.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from evaluator.potentials.known import MPTRJ_ELEMENTS, KnownPotential


@dataclass(frozen=True, kw_only=True)
class WeightsInRuntime:
    """Where the artifact of a known potential lies, below the packages of its kind's runtime."""

    known: KnownPotential
    #: One file, or the files of a model's folder that are packed into one zip.
    files: tuple[str, ...]


_SEVENNET_0 = KnownPotential(
    reference="sevennet:7net-0",
    slug="sevennet-0",
    name="SevenNet-0",
    version="11Jul2024",
    architecture="SevenNet",
    level_of_theory="PBE, PBE+U",
    licence="MIT",
    authors="Y. Park, J. Kim, S. Hwang, S. Han",
    citation="Y. Park et al., Scalable parallel algorithm for graph neural network interatomic "
    "potentials in molecular dynamics simulations, J. Chem. Theory Comput. 20, 4857 (2024)",
    url="https://doi.org/10.1021/acs.jctc.4c00190",
    training_set="MPtrj, 1.58 million structures of relaxations in the Materials Project",
    n_parameters=842_623,
    supported_elements=MPTRJ_ELEMENTS,
)
_SEVENNET_MF_0 = replace(
    _SEVENNET_0,
    reference="sevennet:7net-mf-0,modal=PBE",
    slug="sevennet-mf-0",
    name="SevenNet-MF-0 (PBE)",
    version="2024",
    authors="J. Kim, J. Kim, J. Kim, J. Lee, Y. Park, Y. Kang, S. Han",
    citation="J. Kim et al., Data-efficient multifidelity training for high-fidelity machine "
    "learning interatomic potentials, J. Am. Chem. Soc. 147, 1042 (2025)",
    url="https://doi.org/10.1021/jacs.4c14455",
    training_set="MPtrj (PBE, PBE+U) and r2SCAN calculations of the Materials Project, together",
    n_parameters=846_168,
)
_SEVENNET = "sevenn/pretrained_potentials"
_DIEP = "diep/pretrained_models/diep_fold1"

#: The newest version of a potential is submitted last.
IN_RUNTIMES = (
    WeightsInRuntime(
        known=replace(_SEVENNET_0, reference="sevennet:7net-0-22May2024", version="22May2024"),
        files=(f"{_SEVENNET}/SevenNet_0__22May2024/checkpoint_sevennet_0.pth",),
    ),
    WeightsInRuntime(
        known=_SEVENNET_0,
        files=(f"{_SEVENNET}/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",),
    ),
    WeightsInRuntime(
        known=replace(
            _SEVENNET_0,
            reference="sevennet:7net-l3i5",
            slug="sevennet-l3i5",
            name="SevenNet-l3i5",
            version="2024",
            n_parameters=1_171_327,
        ),
        files=(f"{_SEVENNET}/SevenNet_l3i5/checkpoint_l3i5.pth",),
    ),
    WeightsInRuntime(
        known=_SEVENNET_MF_0,
        files=(f"{_SEVENNET}/SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",),
    ),
    WeightsInRuntime(
        known=replace(
            _SEVENNET_MF_0,
            reference="sevennet:7net-mf-0,modal=R2SCAN",
            slug="sevennet-mf-0-r2scan",
            name="SevenNet-MF-0 (r2SCAN)",
            level_of_theory="r2SCAN",
        ),
        files=(f"{_SEVENNET}/SevenNet_MF_0/checkpoint_sevennet_mf_0.pth",),
    ),
    WeightsInRuntime(
        known=KnownPotential(
            reference="diep:diep_fold1",
            slug="diep-matpes-r2scan",
            name="DIEP MatPES-r2SCAN",
            version="2.0.0",
            architecture="DIEP",
            level_of_theory="r2SCAN",
            licence="BSD-3-Clause",
            authors="S. A. Tawfik, T. M. Nguyen, S. P. Russo, T. Tran, S. Gupta, S. Venkatesh",
            citation="S. A. Tawfik et al., Embedding material graphs using the electron-ion "
            "potential: application to material fracture, Digital Discovery (2024)",
            url="https://doi.org/10.1039/d4dd00246f",
            training_set="MatPES-r2SCAN, 349 thousand structures (fold 1)",
            n_parameters=403_181,
            supported_elements=MPTRJ_ELEMENTS,
        ),
        files=tuple(f"{_DIEP}/{name}" for name in ("model.json", "model.pt", "state.pt")),
    ),
)
