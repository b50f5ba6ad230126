"""What is known of one input of a model, whatever file the model came in."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input of the model: name, fixed shape, NumPy dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
