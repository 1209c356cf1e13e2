"""What may be submitted: the kinds of calculators, their files and settings."""

from __future__ import annotations

from evaluator.catalog.types import CalculatorKind, Parameter

_DTYPE_HELP = "Precision of the arithmetic, unless a task asks for double precision."


def _dtype(default: str) -> Parameter:
    return Parameter(
        name="dtype", kind=str, default=default, choices=("float32", "float64"), help=_DTYPE_HELP
    )


_ORB_ARCHITECTURES = (
    "orb-v3-conservative-omol",
    "orb-v3-direct-omol",
    "orb-v3-conservative-20-omat",
    "orb-v3-conservative-inf-omat",
    "orb-v3-direct-20-omat",
    "orb-v3-direct-inf-omat",
    "orb-v3-conservative-20-mpa",
    "orb-v3-conservative-inf-mpa",
    "orb-v3-direct-20-mpa",
    "orb-v3-direct-inf-mpa",
    "orb-v2",
    "orb-d3-v2",
    "orb-d3-sm-v2",
    "orb-d3-xs-v2",
    "orb-mptraj-only-v2",
)

CALCULATOR_KINDS: dict[str, CalculatorKind] = {
    kind.name: kind
    for kind in (
        CalculatorKind(
            name="chgnet",
            label="CHGNet",
            artifact="a CHGNet checkpoint as written by CHGNet.save or its trainer",
            suffixes=(".pth.tar", ".pt", ".pth", ".tar"),
            settings=(_dtype("float32"),),
        ),
        CalculatorKind(
            name="mace",
            label="MACE",
            artifact="a MACE model as written by mace_run_train (torch.save of the whole model)",
            suffixes=(".model", ".pt", ".pth"),
            settings=(
                _dtype("float64"),
                Parameter(
                    name="head",
                    kind=str,
                    default="",
                    help="Which head of a multi-head model; empty for its default.",
                ),
            ),
        ),
        CalculatorKind(
            name="matgl",
            label="MatGL (M3GNet, TensorNet, ...)",
            artifact="a zip of a MatGL model folder: model.json, model.pt, state.pt",
            suffixes=(".zip",),
            settings=(
                Parameter(
                    name="message_passing",
                    kind=str,
                    default="auto",
                    choices=("auto", "destination", "source"),
                    help="Which atom collects a message: destination for weights trained with "
                    "matgl before 3.0 (TensorNet before 2.2), source for later ones; auto asks "
                    "the model's own description, and refuses where it does not tell.",
                ),
            ),
        ),
        CalculatorKind(
            name="sevennet",
            label="SevenNet",
            artifact="a SevenNet checkpoint as its trainer writes it (checkpoint_*.pth)",
            suffixes=(".pth", ".pt"),
            settings=(
                _dtype("float32"),
                Parameter(
                    name="modal",
                    kind=str,
                    default="",
                    help="Which modality of a multi-fidelity checkpoint; must be said where it has "
                    "several.",
                ),
            ),
        ),
        CalculatorKind(
            name="nequix",
            label="Nequix",
            artifact="a .nqx file of Nequix",
            suffixes=(".nqx",),
            settings=(_dtype("float32"),),
        ),
        CalculatorKind(
            name="diep",
            label="DIEP",
            artifact="a zip of a DIEP model folder: model.json, model.pt, state.pt",
            suffixes=(".zip",),
            settings=(_dtype("float32"),),
        ),
        CalculatorKind(
            name="grace",
            label="GRACE",
            artifact="a zip of the SavedModel folder that gracemaker wrote, with metadata.yaml",
            suffixes=(".zip",),
        ),
        CalculatorKind(
            name="metatomic",
            label="Metatomic (PET, ...)",
            artifact="an exported metatomic model (.pt), as mtt export writes it",
            suffixes=(".pt",),
            settings=(
                Parameter(
                    name="variant",
                    kind=str,
                    default="",
                    help="Which variant of the energy of a model with several, energy/NAME; empty "
                    "for the plain one.",
                ),
            ),
        ),
        CalculatorKind(
            name="nequip",
            label="NequIP, Allegro",
            artifact=(
                "a package of nequip-package (.nequip.zip), a checkpoint of nequip-train (.ckpt) "
                "or a model of nequip-compile (.nequip.pth, .nequip.pt2)"
            ),
            suffixes=(".nequip.zip", ".ckpt", ".nequip.pth", ".nequip.pt2"),
        ),
        CalculatorKind(
            name="orb",
            label="Orb",
            artifact="weights of orb-models (a state dict), or torch.save of a whole model of it",
            suffixes=(".ckpt", ".pt", ".pth"),
            settings=(
                _dtype("float32"),
                Parameter(
                    name="architecture",
                    kind=str,
                    default="",
                    choices=("", *_ORB_ARCHITECTURES),
                    help="Which model of orb-models the weights belong to; must be said, as "
                    "weights alone do not tell. Empty for a whole model.",
                ),
            ),
        ),
        CalculatorKind(
            name="mattersim",
            label="MatterSim",
            artifact="a checkpoint of MatterSim as its training writes it",
            suffixes=(".pth", ".pt"),
        ),
        CalculatorKind(
            name="xtb",
            label="xTB",
            artifact=(
                'a JSON file naming a tight-binding method, {"method": "GFN2-xTB"}, with '
                '"electronic_temperature_K" (300) and "accuracy" (1) where others are wanted; '
                "crystals are sampled at the Γ point of their cell"
            ),
            suffixes=(".json",),
        ),
        CalculatorKind(
            name="package",
            label="Python package",
            artifact=(
                "a zip or wheel of pure Python whose entry point returns an ASE calculator; "
                "torch, torch-geometric, e3nn, matscipy, ASE, numpy and SciPy can be imported, "
                "others with a lock"
            ),
            suffixes=(".zip", ".whl"),
            settings=(
                Parameter(
                    name="entry_point",
                    kind=str,
                    default="potential:calculator",
                    help="module:function; called with the folder of the unpacked package.",
                ),
            ),
        ),
        CalculatorKind(
            name="ase",
            label="ASE calculator",
            artifact=(
                'a JSON file naming one of ASE\'s own classical potentials: {"calculator": "emt"}, '
                '{"calculator": "tersoff", "element": "Si"} or {"calculator": "lj", "sigma_A": '
                '{"Ar": 3.4}, "epsilon_eV": 0.0104, "cutoff_A": 10.2, "smooth": true}'
            ),
            suffixes=(".json",),
            is_built_in=True,
        ),
        CalculatorKind(
            name="dummy",
            label="Dummy",
            artifact=(
                "a JSON file of mean energies by element, "
                '{"energy_per_atom_eV": {"Si": -5.4}, "default_eV": 0}; forces are zero'
            ),
            suffixes=(".json",),
            is_built_in=True,
        ),
    )
}
