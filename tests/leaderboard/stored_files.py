"""A folder of its own for what a test stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def keep_files_in(settings: Any, folder: Path) -> None:
    settings.DATA_DIR = folder
    storage = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": folder / "blobs"},
    }
    settings.STORAGES = {**settings.STORAGES, "default": storage}
