"""Mutations of real reference files, and what reading each must end in.

``python -m tests.evaluator.references.mutations 20000`` tries that many, and prints figures.
"""

from __future__ import annotations

import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from evaluator.exceptions import SubmissionError
from evaluator.references.conventions import STRESS_ORDERS, STRESS_UNITS, Convention
from evaluator.references.upload import check_upload

#: No case may take longer, or more memory than all before it by this much.
CASE_S = 10.0
CASE_MiB = 600
_LARGEST_BYTES = 200_000
_TOKENS = (
    *("nan", "inf", "-inf", "1e999", "1D+02", "1e-400", "****", "0", "-1", "1", "T", "F", "None"),
    *(
        "1_0",
        "0x1F",
        "１",
        "−1",
        "1,5",
        "1.2.3",
        "X",
        "D",
        "Cu1",
        "CU",
        "29",
        "Uuo",
        '"',
        "'",
        "[",
        "]",
    ),
    *(
        "{",
        "}",
        "=",
        ":",
        "\\",
        "\n",
        "\r\n",
        "\r",
        "\t",
        " ",
        "\0",
        "\x0c",
        "\x1c",
        "\u00a0",
        "\u2028",
    ),
    *("\ufeff", "é", "[[", "]]", "_JSON [1, 2", "Lattice=", "Properties=", "pos:R:3", "forces:R:3"),
    *(
        ":R:1",
        ":S:3",
        ":L:1",
        ":I:2",
        "energy=",
        "stress=",
        "pbc=",
        "virial=",
        "species:S:1",
        "null",
    ),
    *("true", "{}", "[]", "1e5", "9" * 30, "-0.0", "system_id=", "migrating:L:1", "0 0 0", "Z:I:1"),
)


@cache
def real_files() -> tuple[tuple[str, bytes], ...]:
    """Suffix and bytes of files of each kind that is read, with results of EMT."""
    frames = [_computed(atoms, i) for i, atoms in enumerate(_structures())]
    text = io.StringIO()
    ase.io.write(text, frames, format="extxyz")
    plain = text.getvalue().replace("energy=", "REF_energy=").replace("forces:R", "REF_forces:R")
    rows = [_as_json(frame) for frame in frames]
    with tempfile.NamedTemporaryFile(suffix=".json") as database:
        ase.io.write(database.name, frames[:2], format="json")
        of_ase = Path(database.name).read_bytes()
    return (
        (".extxyz", text.getvalue().encode()),
        (".xyz", plain.encode()),
        (".xyz", text.getvalue().replace("\n", "\r\n").encode()),
        (".json", json.dumps(rows).encode()),
        (".json", json.dumps({"structures": rows[:2]}, indent=1).encode()),
        (".json", of_ase),
    )


def _structures() -> list[Atoms]:
    slab = fcc111("Cu", (1, 1, 2), vacuum=5.0)
    slab.pbc, slab.info = (True, True, False), {}
    return [bulk("Cu"), bulk("Cu", cubic=True), bulk("Au", cubic=True), slab, molecule("H2O")]


def _computed(atoms: Atoms, i: int) -> Atoms:
    atoms.rattle(0.05, seed=i)
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    if atoms.pbc.all():
        results["stress"] = atoms.get_stress()
    atoms.calc = SinglePointCalculator(atoms, **results)
    atoms.info |= {"system_id": f"s-{i}", "family": "test", "gap_eV": 1.0 + i, "note": "it's, a=b"}
    atoms.info["matrix"] = np.eye(3) * i
    atoms.set_array("migrating", np.arange(len(atoms)) == 0)
    return atoms


def _as_json(atoms: Atoms) -> dict[str, object]:
    row = {
        "symbols": atoms.get_chemical_symbols(),
        "positions": atoms.positions.tolist(),
        "energy": atoms.get_potential_energy(),
        "forces": atoms.get_forces().tolist(),
        "system_id": atoms.info["system_id"],
        "values": {"gap_eV": 1.0, "matrix": [[1.0, 2.0], [3.0, 4.0]]},
        "pbc": atoms.pbc.tolist(),
    }
    if atoms.cell.rank == 3:
        row |= {"cell": atoms.cell.tolist()}
    return row


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The bytes with one to six changes: of bytes, tokens, lines and pieces."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        content = rng.choice(_CHANGES)(content, rng)[:_LARGEST_BYTES]
    return content


def _byte(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + bytes([rng.randrange(256)]) * rng.randrange(3) + content[at + 1 :]


def _token_put_in(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(_TOKENS).encode() + content[at + rng.randrange(6) :]


def _word_replaced(content: bytes, rng: random.Random) -> bytes:
    words = content.split(b" ")
    words[rng.randrange(len(words))] = rng.choice(_TOKENS).encode()
    return b" ".join(words)


def _lines_moved(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    i, j = sorted(rng.randrange(len(lines)) for _ in range(2))
    where = rng.randrange(len(lines))
    return b"\n".join(
        rng.choice(
            (
                lines[:i] + lines[j:],
                lines[:where] + lines[i : j + 1] + lines[where:],
                lines[:i] + lines[i:j][::-1] + lines[j:],
                [*lines[:i], b"", *lines[i:]],
            )
        )
    )


def _cut(content: bytes, rng: random.Random) -> bytes:
    i, j = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice((content[:i], content[j:], content[:i] + content[j:]))


def _repeated(content: bytes, rng: random.Random) -> bytes:
    i = rng.randrange(len(content) + 1)
    piece = content[i : i + rng.randrange(1, 40)]
    return content[:i] + piece * rng.choice((2, 3, 50, 2000)) + content[i:]


def _number_changed(content: bytes, rng: random.Random) -> bytes:
    digits = [i for i, byte in enumerate(content) if 48 <= byte <= 57]
    if not digits:
        return content
    at = rng.choice(digits)
    return content[:at] + rng.choice((b"0", b"9", b"-", b".", b"e", b"99999")) + content[at + 1 :]


def _value_put_in(content: bytes, rng: random.Random) -> bytes:
    """A further value of a structure, which may be read."""
    values = (
        *(b"energy_dft", b"virial", b"charge", b"config_type", b"x", b"system_id", b"pbc"),
        *(b"energy_unit", b"units", b"cell", b"box", b"periodic", b"boundary", b"Q", b"totalSpin"),
    )
    value = rng.choice(
        (
            *(b'"1 2 3"', b"1", b"nan", b"", b"abc", b'"_JSON [[1,2],[3]]"', b"[1,[2]]"),
            *(b"eV", b'"p p f"', b'"4 0 0 0 4 0 0 0 4"', b"F", b'"_JSON {\\"a\\": 1}"'),
        )
    )
    at = content.find(b"Properties", rng.randrange(len(content) + 1))
    return (
        content[:at] + rng.choice(values) + b"=" + value + b" " + content[at:]
        if at > 0
        else content
    )


_Change = Callable[[bytes, random.Random], bytes]
_CHANGES: tuple[_Change, ...] = (
    *(_byte, _token_put_in, _word_replaced, _lines_moved, _cut, _repeated),
    *(_number_changed, _number_changed, _number_changed, _value_put_in, _value_put_in),
)


def a_convention(rng: random.Random) -> Convention:
    """Mostly the default; the file's second kind has its energies under another name."""
    if rng.random() < 0.5:
        return Convention()
    names = rng.choice((("energy", "forces"), ("REF_energy", "REF_forces")))
    return Convention(
        energy_name=names[0],
        forces_name=names[1],
        stress_name=rng.choice(("stress", "stress", "stress", "matrix")),
        stress_unit=rng.choice(list(STRESS_UNITS)),
        stress_order=rng.choice(STRESS_ORDERS),
    )


def outcome(seed: int, folder: Path) -> str:
    """ "read" or "refused" for the mutation of this number.

    Whatever else is raised, and what takes longer than CASE_S, is a fault of the reader.
    """
    rng = random.Random(seed)
    suffix, content = rng.choice(real_files())
    path = folder / f"case{suffix}"
    path.write_bytes(mutated(content, rng))
    with _time_limit(CASE_S):
        try:
            summary = check_upload(path, folder / "canonical.extxyz", a_convention(rng))
        except SubmissionError as error:
            if not str(error):
                raise ValueError("it is refused without a word") from error
            return "refused"
    json.dumps(summary, allow_nan=False)
    return "read"


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"a case took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main(n_cases: int, first: int) -> int:
    """Try cases by their number; print each fault with its number, and figures in the end."""
    limit = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10) + CASE_MiB
    counts: Counter[str] = Counter()
    longest_s = 0.0
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="touchstone-mutations-") as folder:
        for seed in range(first, first + n_cases):
            started = time.perf_counter()
            try:
                counts[outcome(seed, Path(folder))] += 1
            except Exception as error:  # noqa: BLE001  (whatever it is, it is what we look for)
                counts["faults"] += 1
                print(f"case {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
            longest_s = max(longest_s, time.perf_counter() - started)
    peak_MiB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{n_cases} cases in {time.perf_counter() - begun:.0f} s: {counts['read']} read, "
        f"{counts['refused']} refused, {counts['faults']} faults; the longest {longest_s:.2f} s; "
        f"at most {peak_MiB} MiB"
    )
    return int(counts["faults"] > 0 or peak_MiB > limit)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
