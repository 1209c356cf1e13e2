"""Turns the bytes of an uploaded file into text, or says what the file is and how to convert it.

Only beginnings are looked at; nothing is unpacked, unpickled or parsed to find out.
"""

from __future__ import annotations

import re

from evaluator.exceptions import SubmissionError
from evaluator.references.extxyz import CONVERSION

_WANTED = "Extended XYZ or JSON is needed, text in UTF-8."
_BY_ASE = f"Convert it with ASE: {CONVERSION}."
_BINARY: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "compressed with gzip", "Unpack it first (gunzip)."),
    (b"BZh", "compressed with bzip2", "Unpack it first (bunzip2)."),
    (b"\xfd7zXZ", "compressed with xz", "Unpack it first (unxz)."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstandard", "Unpack it first (unzstd)."),
    (b"PK\x03\x04", "a zip archive (or a file of numpy or torch)", "Unpack it first."),
    (b"- of Ulm", "a trajectory of ASE", _BY_ASE),
    (b"SQLite format 3", "a database (ASE's .db?)", _BY_ASE),
    (b"\x89HDF", "an HDF5 file", "Write its structures as extended XYZ."),
    (b"\x93NUMPY", "an array of numpy", "Write its structures as extended XYZ."),
    (b"CDF", "a NetCDF file", "Write its structures as extended XYZ."),
    (b"\x80", "a pickle", "It is never opened. Write its structures as extended XYZ."),
    (b"%PDF", "a PDF", ""),
)
#: A title, a scale, and three vectors.
_POSCAR = r".*\n\s*-?[\d.]+\s*\n(?:\s*(?:-?[\d.]+(?:[eE][+-]?\d+)?\s+){2}-?[\d.]+\S*\s*\n){3}"
_TEXT: tuple[tuple[str, str, str], ...] = (
    (r"<\?xml", "XML (VASP's vasprun.xml?)", _BY_ASE),
    (r"<(?:!doctype|html)", "a page of HTML", "Was the page saved instead of the file?"),
    (r"version https://git-lfs", "a pointer of Git LFS, not the file", "Fetch it: git lfs pull."),
    (r"(?:#.*\n)*\s*data_\S*\s", "a CIF", _BY_ASE + " A CIF holds no energies."),
    (r"ITEM: ", "a dump of LAMMPS", _BY_ASE + " Name its types' elements, and add the energies."),
    (r"(?:HEADER|CRYST1|ATOM  |HETATM|REMARK|TITLE  )", "a PDB file", _BY_ASE),
    (r"\s*vasp\.\d", "VASP's OUTCAR", _BY_ASE),
    (r"\s*(?:phonopy|phono3py):", "YAML of phonopy", "Write its supercells as extended XYZ."),
    (r"\s*BEGIN_CFG", "a .cfg of MTP", "Write its structures as extended XYZ."),
    (r"begin\s*\n", "n2p2's input.data", "Write its structures as extended XYZ."),
    (r"\s*1\.0 Version", "VASP's ML_AB", "Write its structures as extended XYZ."),
    (_POSCAR, "a POSCAR", _BY_ASE + " A POSCAR holds no energies."),
    (r"---\s*\n|\w+:\s*\n\s+-\s", "YAML", "Write its structures as extended XYZ."),
)
_SNIFFED = 4096


def text_of(content: bytes) -> str:
    """The text of a file of extended XYZ or JSON, with lines ended by \\n alone.

    Raises SubmissionError that names what the file is instead.
    """
    _refuse_binary(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SubmissionError(
            f"The file is no text in UTF-8: line {line} holds the byte "
            f"0x{content[error.start]:02x}. {_WANTED}"
        ) from error
    _refuse_other_text(text[:_SNIFFED])
    # Written twice in text mode, a line ends with \r\r\n; files that were joined have a mark each.
    return re.sub(r"\r+\n", "\n", text).replace("\r", "\n").replace("\n\ufeff", "\n")


def _refuse_binary(content: bytes) -> None:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") or content[:4] == b"\0\0\xfe\xff":
        raise SubmissionError(f"The file is in UTF-16 or UTF-32. Save it as UTF-8. {_WANTED}")
    for beginning, kind, advice in _BINARY:
        if content.startswith(beginning):
            raise SubmissionError(f"The file is no text but {kind}. {advice} {_WANTED}")
    if (at := content.find(b"\0")) >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise SubmissionError(
            f"The file is no text in UTF-8: line {line} holds a zero byte. {_WANTED}"
        )


def _refuse_other_text(beginning: str) -> None:
    """Say what the text is, where its first words tell."""
    beginning = beginning.lstrip()
    if re.match(r"\d+\s*\n", beginning):
        return
    for pattern, kind, advice in _TEXT:
        if re.match(pattern, beginning, re.IGNORECASE if pattern.startswith("<") else 0):
            raise SubmissionError(f"The file is {kind}. {advice} {_WANTED}")
