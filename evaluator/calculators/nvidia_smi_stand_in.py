"""Lets chgnet be imported where the package is absent that it reads the memory of GPUs with.

That package comes as source alone, and chgnet asks it for its own choice of a GPU only: here
whoever evaluates names the device.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

if importlib.util.find_spec("nvidia_smi") is None:
    sys.modules["nvidia_smi"] = ModuleType("nvidia_smi")
