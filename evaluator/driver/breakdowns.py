"""Which exceptions numbers cause: the one place that tells a submission's numbers from our faults.

The trusted side computes on what a stranger answers. Finite numbers of any size reach numpy, scipy,
spglib and phonopy, and these give up in many ways: an SVD that does not converge, a refused array,
a panic of compiled Rust. None of it is a fault of the service, so that none may be retried as one.
"""

from __future__ import annotations

import logging
import traceback
from types import TracebackType

import numpy as np

logger = logging.getLogger(__name__)

#: What arithmetic raises, and what absurd sizes (a cell of 1e20 Å) end in.
_NUMERICAL = (ArithmeticError, np.linalg.LinAlgError, MemoryError, RecursionError)
#: Whoever raises out of one of these was given numbers that it cannot treat.
_LIBRARIES = frozenset({"ase", "numpy", "phonopy", "scipy", "seekpath", "spglib", "symfc"})
#: Of these even a library's tell of the host, of a package that is missing, or of an end.
_OURS = (OSError, ImportError, EOFError)
#: The innermost frames tell the place; a thousand systems must not fill the log.
_N_FRAMES_LOGGED = 6


def is_of_the_numbers(error: BaseException) -> bool:
    """Whether numbers that were answered explain an exception of the trusted computation."""
    if is_panic(error):
        return True
    if not isinstance(error, Exception) or isinstance(error, _OURS):
        return False
    return isinstance(error, _NUMERICAL) or _package_that_raised(error) in _LIBRARIES


def is_panic(error: BaseException) -> bool:
    """Whether compiled Rust gave up (phonopy's solver): pyo3 raises what is no Exception."""
    return type(error).__module__ == "pyo3_runtime" and type(error).__name__ == "PanicException"


def log_breakdown(what: str, error: BaseException) -> None:
    """Log where it happened, in a few lines: an error's text may hold whole arrays."""
    frames = "".join(traceback.format_tb(error.__traceback__, limit=-_N_FRAMES_LOGGED))
    message = f"{type(error).__name__}: {str(error)[:300]}"
    logger.error("%s\nTraceback (innermost frames):\n%s%s", what, frames, message)


def _package_that_raised(error: BaseException) -> str:
    """Top-level package of the innermost frame that is no frozen or built-in module's."""
    trace: TracebackType | None = error.__traceback__
    package = ""
    while trace is not None:
        package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        trace = trace.tb_next
    return package
