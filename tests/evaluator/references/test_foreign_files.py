"""Files of other kinds are named, with what to do, and never opened by their own readers."""

from __future__ import annotations

import pytest

from evaluator.exceptions import SubmissionError
from evaluator.references.foreign_files import text_of

POSCAR = b"Cu bulk\n1.0\n 3.6 0.0 0.0\n 0.0 3.6 0.0\n 0.0 0.0 3.6\nCu\n1\nDirect\n0 0 0\n"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x1f\x8b\x08rest", "compressed with gzip. Unpack"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"PK\x03\x04", "zip archive"),
        (b"- of UlmASE-Trajectory", "a trajectory of ASE. Convert"),
        (b"SQLite format 3\0", "a database"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"\x80\x04\x95pickle", "a pickle. It is never opened"),
        (b"\x93NUMPY", "numpy"),
        ("2\n".encode("utf-16"), "UTF-16"),
        ("2\n".encode("utf-16-le"), "line 1 holds a zero byte"),
        (b"2\nenergy=-1 note=\xe9t\xe9\nCu 0 0 0\n", "line 2 holds the byte 0xe9"),
        (b'<?xml version="1.0"?>', "vasprun.xml"),
        (b"<!DOCTYPE html>", "a page of HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"# made by VESTA\ndata_Cu\n_cell_length_a 3.6\n", "a CIF"),
        (b"ITEM: TIMESTEP\n0\n", "a dump of LAMMPS"),
        (b"CRYST1   10.0", "a PDB"),
        (b" vasp.6.4.2 20Jul23", "OUTCAR"),
        (b"phonopy:\n  version: 2.0\n", "YAML of phonopy"),
        (b"BEGIN_CFG\n Size\n", "MTP"),
        (b"begin\ncomment x\n", "n2p2"),
        (POSCAR, "a POSCAR"),
        (b"---\n- a: 1\n", "YAML"),
    ],
)
def test_files_of_other_kinds_are_named(content: bytes, kind: str) -> None:
    with pytest.raises(SubmissionError, match=kind):
        text_of(content)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_ends_of_lines_and_a_mark_of_utf_8_are_taken_as_they_come(end: bytes, mark: bytes) -> None:
    assert text_of(mark + end.join([b"1", b"", b"Cu 0 0 0"])) == "1\n\nCu 0 0 0"
