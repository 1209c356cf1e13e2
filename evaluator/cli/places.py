"""Where the command line finds and keeps files."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pooch

from evaluator.exceptions import SubmissionError
from evaluator.paths import user_path

MIRROR_VARIABLE = "TOUCHSTONE_DATA_MIRROR"
CACHE_VARIABLE = "TOUCHSTONE_CACHE"


def cache_folder() -> Path:
    """Where built reference sets and downloads are kept."""
    named = os.environ.get(CACHE_VARIABLE)
    return user_path(named) if named else Path(pooch.os_cache("touchstone"))


def add_mirror_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mirror",
        type=Path,
        metavar="DIR",
        help="folder with the files of reference sets, looked in before anything is downloaded "
        f"(default: the environment variable {MIRROR_VARIABLE})",
    )


def mirror_folder(arguments: argparse.Namespace) -> Path | None:
    """The local mirror that the user named, or None. Raises SubmissionError when it is none."""
    named = arguments.mirror
    if named is None and (variable := os.environ.get(MIRROR_VARIABLE)):
        named = Path(variable)
    if named is None:
        return None
    mirror = user_path(named)
    if not mirror.is_dir():
        raise SubmissionError(f"the mirror {mirror} is no folder")
    return mirror
