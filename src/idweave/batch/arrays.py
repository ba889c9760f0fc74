"""Arrays by what they hold, and the number that stands for nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

NOTHING = -1
"""The shape of what links nothing, and the user of what belongs to nobody."""

LATE = np.iinfo(np.int64).max
"""Later than every time."""


def places_by_size(numbers: Longs) -> Longs | None:
    """The places of numbers by size, equal ones as they stand; None where they stand so already.
    Where number and place fit into one word together, sorting them is a tenth of the time."""
    steps = np.diff(numbers)
    if not (steps < 0).any():
        return None
    least, bits = int(numbers.min()), int(len(numbers) - 1).bit_length()
    if (int(numbers.max()) - least).bit_length() + bits > 63:
        return np.argsort(numbers, kind="stable")
    packed = (numbers - least << bits) | np.arange(len(numbers))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed
