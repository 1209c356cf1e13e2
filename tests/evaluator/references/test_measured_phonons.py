import csv
import os
from pathlib import Path

import numpy as np
import pytest

from evaluator.catalog import PROTOCOLS as DESCRIPTIONS
from evaluator.protocols.phonons.protocol import PhononsProtocol
from evaluator.references.measured_phonons import THZ_PER_INVERSE_CM, measured_gamma, measured_modes
from evaluator.references.sets import build, read
from evaluator.standard_tasks.read import standard_task

MIRROR = os.environ.get("TOUCHSTONE_DATA_MIRROR")


def test_every_number_has_a_source_and_says_where_it_was_read() -> None:
    modes = measured_modes()
    assert len({(mode.formula, mode.structure) for mode in modes}) == len(modes) == 14
    for mode in modes:
        assert "doi:10." in mode.source or "J. Phys. Chem. Solids (1962)" in mode.source
        assert mode.read_in
        assert mode.technique in ("Raman", "infrared")
    assert sum("doi:10." in mode.source for mode in modes) >= 12


def test_wave_numbers_become_frequencies() -> None:
    frames, metadata = measured_gamma([], {})
    silicon = next(atoms for atoms in frames if atoms.info["system_id"] == "measured-Si-diamond")
    # 520.2 per cm times 2.99792458e10 cm/s.
    assert silicon.info["gamma_max_THz"] == 15.5952
    assert silicon.info["temperature_K"] == 300.0
    assert silicon.get_chemical_symbols() == ["Si", "Si"]
    assert "10.1103/PhysRev.155.712" in metadata["sources"]["Si diamond"]
    assert all(len(atoms) == 2 for atoms in frames)


def test_set_needs_no_download_and_suits_its_task(tmp_path: Path) -> None:
    task = standard_task("phonons-measured-small")
    built = build(task.reference_name, cache=tmp_path)
    assert built.known.files == ()
    assert built.known.level_of_theory == "experiment"

    systems = read(built.path)
    assert len(systems) == 14
    metrics = [metric.key for metric in task.spec.metrics]
    PhononsProtocol().check_reference(systems, metrics)
    assert set(metrics) < set(DESCRIPTIONS["phonons"].metrics)


@pytest.mark.mirror
@pytest.mark.skipif(not MIRROR, reason="TOUCHSTONE_DATA_MIRROR is not set")
def test_pbe_lies_a_few_percent_below_what_was_measured() -> None:
    path = Path(str(MIRROR)) / "derived/phonon_pbe_103_summary.csv"
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pbe = {(row["formula"], row["structure"]): float(row["gamma_max_THz"]) for row in rows}
    errors = [
        100 * (pbe[mode.formula, mode.structure] / (mode.frequency_per_cm * THZ_PER_INVERSE_CM) - 1)
        for mode in measured_modes()
        if (mode.formula, mode.structure) in pbe
    ]
    assert len(errors) == 11
    # As the task's limitations say: a typing error in the table would stand out.
    assert -10.4 < min(errors) <= max(errors) < -4.0
    assert np.mean(errors) == pytest.approx(-6.6, abs=0.05)
