"""The type of an array of numbers, said once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Double precision, of any shape; docstrings tell the shape.
FloatArray = NDArray[np.float64]
