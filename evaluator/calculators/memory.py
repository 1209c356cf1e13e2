"""What a full memory looks like, on the host and on a GPU."""

from __future__ import annotations

import sys

from evaluator.calculators.leaving import words_of

#: A pass on a CPU gains nothing from a batch that is larger than this.
_HOST_BUDGET_MiB = 1024
#: Share of a GPU's free memory that one pass may be planned to take.
_GPU_SHARE = 0.4


def is_out_of_memory(error: BaseException) -> bool:
    return is_host_out_of_memory(error) or is_gpu_out_of_memory(error)


def is_host_out_of_memory(error: BaseException) -> bool:
    # torch's allocator on the CPU raises a plain RuntimeError.
    return isinstance(error, MemoryError) or "can't allocate memory" in words_of(error)


def is_gpu_out_of_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)


def empty_cache() -> None:
    """Give a GPU's memory that is held but not used back to it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def pass_budget(device: str) -> int:
    """Bytes that one pass of a model may be planned to take on a device."""
    torch = sys.modules.get("torch")
    if torch is not None and device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(torch.device(device))
        return int(_GPU_SHARE * free)
    return _HOST_BUDGET_MiB << 20
