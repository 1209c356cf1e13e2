"""The environment of a calculator: nothing of the worker's own is passed on but the GPU.

The driver's own process gets no more than that, and how long it may wait for an idle device.
"""

from __future__ import annotations

import os
import sys

from evaluator.sandbox.base import ProcessRequest

#: Read once by the libraries that they are named for, when these are imported.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

#: What an operator may tell our own driver; see host/device_state.py.
_OF_THE_DRIVER = ("TOUCHSTONE_IDLE_WAIT_S",)

#: glibc hands freed memory back to the kernel and fetches it again, page by page, for every large
#: array of every call. With CHGNet on small cells that was a tenth to a fifth of the time. The
#: process keeps what it has freed instead, within the limit of its sandbox, until it ends.
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(256 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


def python_command(request: ProcessRequest, prefix: str = "") -> tuple[str, ...]:
    """The interpreter of a process, which looks for no modules in the folder that it starts in.

    ``prefix`` is where the process finds its runtime, if not where it lies on the host.
    """
    runtime = request.runtime
    if runtime is None:
        return (sys.executable, "-P")
    python = f"{prefix or runtime.prefix}/bin/python"
    # Python 3.10 does not know the option; the folder is empty when it starts.
    return (python,) if runtime.interpreter.version.startswith("3.10.") else (python, "-P")


def calculator_environment(request: ProcessRequest, *, code: str, scratch: str) -> dict[str, str]:
    """Variables with ``code`` as the folder of our modules and ``scratch`` as a writable one."""
    variables = {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "calculator",
        "LOGNAME": "calculator",
        "XDG_CACHE_HOME": f"{scratch}/cache",
        "MPLCONFIGDIR": f"{scratch}/matplotlib",
        "PYTHONPATH": code,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        **dict.fromkeys(_THREAD_VARIABLES, str(request.n_threads)),
        **ALLOCATOR,
    }
    if request.is_trusted:
        variables |= {name: os.environ[name] for name in _OF_THE_DRIVER if name in os.environ}
    if request.device.startswith("cuda") and "CUDA_VISIBLE_DEVICES" in os.environ:
        variables["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
    return variables
