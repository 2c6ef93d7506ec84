"""Consecutive halves of a recording: what a model says from one is compared with the other, unseen one.

Odd and even frames would share the slow BOLD response, so that any measure agrees between them. Whole runs are better
still, since they share neither drift nor head position: the border of two runs is taken where one lies near the middle.
"""

from collections.abc import Sequence

import numpy as np

NEAR = 0.1  # of all frames: halves of at worst 40 and 60 %


def border(lengths: Sequence[int]) -> int:
    """The first frame of the second half.

    Parameters
    ----------
    lengths : (R,) sequence of int
        Frames of each run.

    Examples
    --------
    >>> border([526, 452, 332]), border([156]), border([100, 10])
    (526, 78, 55)
    """
    total = int(sum(lengths))
    borders = np.cumsum(lengths)[:-1]
    if borders.size:
        nearest = int(borders[np.abs(borders - total / 2).argmin()])
        if abs(nearest - total / 2) <= NEAR * total:
            return nearest
    return total // 2
