"""Models that are a folder of a few files, sent as a zip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evaluator.calculators.archives import packed_further, unpack
from evaluator.calculators.base import InvalidArtifact


def unpacked_model(artifact: Path, files: Sequence[str], what: str) -> Path:
    """Unpack a zip and return the one folder in it that holds these files.

    The first of ``files`` is the one that the folder is known by. Raises InvalidArtifact, which
    says how many such folders there are, or what ``what`` lacks.
    """
    folder = unpack(artifact)
    folders = sorted(path.parent for path in folder.rglob(files[0]))
    if not folders and any(folder.rglob("data.pkl")):
        raise InvalidArtifact(
            f"the file is one that torch.save wrote, not a zip of the folder of {what}"
        )
    if not folders and (inner := packed_further(folder)):
        raise InvalidArtifact(f"the archive holds nothing but another one, {inner}: send that")
    if len(folders) != 1:
        raise InvalidArtifact(f"the zip must hold one {files[0]}; it holds {len(folders)}")
    missing = [name for name in files if not (folders[0] / name).exists()]
    if missing:
        raise InvalidArtifact(f"the folder of {what} lacks {', '.join(missing)}")
    return folders[0]
