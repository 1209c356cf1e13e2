"""A site full of plausible rows, for tests of pages and for looking at them. No real numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from django.utils import timezone

from evaluator.plain import plain
from evaluator.protocols.base import Outcome, System
from evaluator.protocols.energy_forces_summary import summarise
from leaderboard import models
from leaderboard.enums import VersionState
from tests.leaderboard import factories
from tests.leaderboard.kept_worlds import built_once

_SYMBOLS = (
    "Ag Al Ar As Au B Ba Be Bi Br C Ca Cd Cl Co Cr Cs Cu F Fe Ga Ge H He Hf Hg I In Ir K Kr Li "
    "Lu Mg Mn Mo N Na Nb Ne Ni O Os P Pb Pd Po Pt Rb Re Rh Rn Ru S Sb Sc Se Si Sn Sr Ta Tc Te Ti "
    "Tl V W Xe Y Zn Zr"
)
ELEMENTS = _SYMBOLS.split(" ")

EOS_METRICS = [
    {"key": "eos_delta_mean", "good": 1.0, "bad": 50.0, "worst": 100.0, "weight": 2.0},
    {"key": "bulk_modulus_relative_error", "good": 2.0, "bad": 60.0, "worst": 100.0},
    {"key": "volume_relative_error", "good": 0.5, "bad": 15.0, "worst": 30.0},
]
FORCE_METRICS = [
    {"key": "force_mae", "good": 0.02, "bad": 0.5, "worst": 1.0, "weight": 2.0, "noise": 0.01},
    {"key": "energy_mae", "good": 2.0, "bad": 120.0, "worst": 300.0, "noise": 2.0},
    {"key": "softening_slope", "good": 1.0, "bad": 0.4, "worst": 0.0, "noise": 0.02},
]


@dataclass(frozen=True)
class Site:
    benchmark: models.BenchmarkVersion
    eos: models.TaskVersion
    forces: models.TaskVersion
    submissions: dict[str, models.Submission] = field(default_factory=dict)


@built_once
def build_site() -> Site:
    """Two tasks, trained potentials, baselines, one queued, one running, one failed."""
    eos = _task("eos-wien2k", "Equation of state", "equation_of_state", EOS_METRICS)
    forces = _task(
        "forces-offequilibrium", "Off-equilibrium forces", "energy_forces", FORCE_METRICS
    )
    benchmark = models.Benchmark.objects.create(
        slug="core",
        name="Core leaderboard",
        summary="Elastic response and forces of interatomic potentials, computed by the service.",
    )
    version = models.BenchmarkVersion.objects.create(benchmark=benchmark, number=1)
    for position, (task, category) in enumerate(((eos, "Elasticity"), (forces, "Forces"))):
        models.BenchmarkTask.objects.create(
            benchmark_version=version, task_version=task, category=category, position=position
        )
    version.state, version.published_at = VersionState.PUBLISHED, timezone.now()
    version.save()
    site = Site(version, eos, forces)
    _fill(site)
    return site


def _fill(site: Site) -> None:
    cards: list[tuple[str, str, str, dict[str, Any], float | None, float | None]] = [
        ("chgnet", "CHGNet", "0.3.0", {"n_parameters": 412525}, 0.72, 0.66),
        ("chgnet", "CHGNet", "0.2.0", {}, 0.70, 0.655),
        ("chgnet-r2scan", "CHGNet r2SCAN", "1.0", {"level_of_theory": "r2SCAN"}, 0.61, 0.58),
        ("m3gnet", "M3GNet", "2021.2.8", _kind("M3GNet", 227549), 0.58, 0.49),
        ("mace-small", "MACE small", "demo", _kind("MACE", 33120), 0.41, None),
        ("emt", "EMT", "1", _kind("EMT", None), 0.77, 0.30),
        ("dummy", "Mean energy, no force", "1", _kind("none", None), 0.0, 0.11),
    ]  # fmt: skip
    for n, (slug, name, release, fields, on_eos, on_forces) in enumerate(cards):
        potential = models.Potential.objects.filter(slug=slug).first() or factories.potential(
            slug=slug,
            name=name,
            **{
                "architecture": "CHGNet",
                "licence": "BSD-3-Clause",
                "level_of_theory": "PBE",
                "training_sets": ["MPtrj"],
                "authors": "B. Deng, P. Zhong, K. Jun, J. Riebesell, K. Han, G. Ceder",
                "paper_url": "https://doi.org/10.1038/s42256-023-00716-3",
                "description": "Charge-informed graph network trained on relaxations.",
                **fields,
            },
        )
        submission = factories.submission(potential, version=release, calculator_kind="chgnet",
                                          artifact_filename=f"{slug}.pth.tar")  # fmt: skip
        site.submissions[f"{slug}:{release}"] = submission
        coverage = 0.11 if slug == "emt" else 1.0
        if on_eos is not None:
            _scored(submission, site.eos, on_eos, n, coverage)
        if on_forces is not None:
            _scored(submission, site.forces, on_forces, n, coverage=min(1.0, 5 * coverage))
    _unfinished(site)


def _kind(architecture: str, n_parameters: int | None) -> dict[str, Any]:
    """Fields of a potential; one without parameters is a baseline of no level of theory."""
    if n_parameters is None:
        return {"architecture": architecture, "is_baseline": True, "level_of_theory": ""}
    return {"architecture": architecture, "n_parameters": n_parameters}


def _unfinished(site: Site) -> None:
    factories.evaluation(site.submissions["mace-small:demo"], site.forces)
    late = factories.submission(
        factories.potential(slug="tensornet", name="TensorNet", architecture="TensorNet",
                            level_of_theory="PBE"), version="2025.1")  # fmt: skip
    site.submissions["tensornet:2025.1"] = late
    now = timezone.now()
    worker = factories.worker(hardware={"cpu": "Example CPU", "n_cores": 2, "memory_MiB": 24576})
    factories.evaluation(
        late, site.eos, state="running", phase="simulating", progress_done=31, progress_total=71,
        worker=worker, lease_expires_at=now, heartbeat_at=now, started_at=now, attempt=1,
        fencing_token=1,
    )  # fmt: skip
    factories.evaluation(
        late, site.forces, state="failed", verdict="load_error", attempt=1, fencing_token=1,
        message="The checkpoint names the class TensorNet2, which matgl 4.1 does not have.",
        stderr="Traceback (most recent call last):\n  ...\nAttributeError: TensorNet2",
    )  # fmt: skip


def _task(slug: str, name: str, protocol: str, metrics: list[dict[str, Any]]) -> models.TaskVersion:
    summary = {
        "equation_of_state": "Volume, bulk modulus and its derivative of 71 elemental crystals.",
        "energy_forces": "Forces, energies and stresses of compressed and rattled structures.",
    }[protocol]
    task = models.Task.objects.create(slug=slug, name=name, summary=summary)
    return factories.task_version(
        task,
        protocol=protocol,
        metrics=metrics,
        parameters={},
        reference_set=factories.reference_set(
            slug=f"{slug}-set",
            title="71 elemental crystals, WIEN2k",
            n_systems=len(ELEMENTS),
            elements=ELEMENTS,
            citation="K. Lejaeghere et al., Science 351, aad3000 (2016), "
            "https://doi.org/10.1126/science.aad3000",
        ),
        description="Energy against volume tells how a potential responds to pressure, which most "
        "trained potentials answer too softly.\n\nAll-electron numbers are the reference.",
        limitations="The cell keeps its shape and atoms their fractional coordinates.",
    )


def _scored(
    submission: models.Submission,
    task: models.TaskVersion,
    score: float,
    seed: int,
    coverage: float,
) -> None:
    rng = np.random.default_rng(seed)
    # What makes a system hard is hard for all: the replicates of all swing together.
    common = np.random.default_rng(0).normal(0, 0.03, 200)
    replicates = np.clip(score + common + rng.normal(0, 0.008, 200), 0, 1)
    low, high = np.quantile(replicates, [0.025, 0.975])
    n_unsupported = round((1 - coverage) * len(ELEMENTS))
    evaluation = factories.evaluation(
        submission, task, score=score, score_low=low, score_high=high,
        replicates=replicates.tolist(), coverage=coverage, n_systems=len(ELEMENTS),
        n_unsupported=n_unsupported, n_failed=seed % 3, wall_time_s=35.2 + seed, attempt=1,
        consistency={"rotation_energy_meV": 0.0031, "force_finite_difference_meV_A": 1.2},
        provenance={"device": "cpu", "dtype": "float32", "versions": {"torch": "2.13.0"}},
        summary=_summary(score, rng) if task.protocol == "energy_forces" else {},
    )  # fmt: skip
    for row in task.metrics:
        value = row["bad"] + score * (row["good"] - row["bad"])
        spread = 0.1 * abs(row["bad"] - row["good"])
        models.Score.objects.create(
            evaluation=evaluation, metric=row["key"], value=value, low=value - spread / 2,
            high=value + spread / 2, score=score, n=len(ELEMENTS), n_failed=seed % 3,
        )  # fmt: skip
    if task.is_scored_by_skill:
        factories.skill_table(
            evaluation, np.clip(score + rng.normal(0, 0.1, len(ELEMENTS)), 0, 1), ELEMENTS
        )
    models.SystemResult.objects.bulk_create(
        _system(evaluation, task.protocol, n, score, rng, seed % 3, n_unsupported)
        for n in range(len(ELEMENTS))
    )


def _summary(score: float, rng: np.random.Generator) -> dict[str, Any]:
    """What the protocol makes of forces that are too small and scattered."""
    judged = []
    for symbol in ELEMENTS[:12]:
        atoms = Atoms(f"{symbol}8", positions=rng.random((8, 3)))
        reference = rng.normal(0, 1, (8, 3))
        predicted = (0.5 + 0.5 * score) * reference + rng.normal(0, 0.3 * (1 - score), (8, 3))
        system = System(id=symbol, atoms=atoms, reference={"forces": reference, "energy": -1.0})
        judged.append((system, Outcome(values={}, arrays={"forces": predicted})))
    return dict(plain(summarise(judged)))


def _system(
    evaluation: models.Evaluation,
    protocol: str,
    n: int,
    score: float,
    rng: np.random.Generator,
    n_failed: int,
    n_unsupported: int,
) -> models.SystemResult:
    truth = np.random.default_rng(n)
    softness = 0.5 + 0.5 * score
    if protocol == "equation_of_state":
        reference = {
            "volume_per_atom_A3": 10 + 30 * truth.random(),
            "bulk_modulus_GPa": float(np.exp(truth.uniform(0, 6))),
            "bulk_modulus_derivative": 4 + truth.random(),
        }
        values: dict[str, Any] = {
            "element": ELEMENTS[n],
            "volume_per_atom_A3": reference["volume_per_atom_A3"] * rng.normal(1, 0.03),
            "bulk_modulus_GPa": reference["bulk_modulus_GPa"] * softness * rng.lognormal(0, 0.2),
            "bulk_modulus_derivative": 4.5,
            "delta_meV": 20 * rng.random(),
        }
    else:
        reference = {
            "energy_per_atom_eV": -8 * truth.random(),
            "force_rms_eV_A": 3 * truth.random(),
        }
        values = {
            "formula": ELEMENTS[n],
            "energy_per_atom_eV": reference["energy_per_atom_eV"] + rng.normal(0, 0.1),
            "force_rms_eV_A": reference["force_rms_eV_A"] * softness,
            "force_mae_eV_A": 0.2,
        }
    status, message = "ok", ""
    if n < n_failed:
        status, message = "failed", "No minimum of the energy within 30 % of the reference volume."
    elif n >= len(ELEMENTS) - n_unsupported:
        status, message = "unsupported", f"{ELEMENTS[n]} is not supported."
    return models.SystemResult(
        evaluation=evaluation, position=n, system_id=ELEMENTS[n], status=status, message=message,
        values=values if status == "ok" else {}, reference=reference, n_calls=15, wall_time_s=0.4,
    )  # fmt: skip
