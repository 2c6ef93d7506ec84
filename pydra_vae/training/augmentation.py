"""Augmentation of images within a mask: what a training sees in place of an image, drawn anew at every step.

`shift` moves an image by one voxel along one axis, or not at all; `flip` mirrors every second image left to right about
the middle of the mask's box; `mix` replaces every second image by (1 − a) x_i + a x_j with another training image j and
a uniform in [0, 1]. The moved, mirrored or mixed image is input and target. `noise` adds Gaussian noise to the input
only, so that the model learns to take it away. Where a moved voxel comes from outside the mask, the mean of the
training images stands.

Images in one space are alike in place and not symmetric: on simulated ones, 300 steps reached R² .87 with none, mix or
noise, .84 with flip and .64 with shift; with 128 training images none of them helped either (.852, mix .851, noise
.849, flip .824, shift .657). Flip and shift are for images that are not well aligned.
"""

from math import prod

import numpy as np

AUGMENTATIONS = ("none", "noise", "shift", "flip", "mix")
NOISE_SD = 0.5  # of the training images' standard deviation about their mean
MIXED = 0.5  # share of the images
OUTSIDE = -1


def moves(kind: str, mask_box: np.ndarray, left_right: int = 0) -> np.ndarray | None:
    """Where each voxel's value comes from, for every move of an augmentation; the first move is none.

    Parameters
    ----------
    kind : {"shift", "flip"} or another augmentation
    mask_box : (I, J, K) bool array
    left_right : int
        Axis that runs from left to right.

    Returns
    -------
    (n, V) int64 array or None
        Numbers of voxels within the mask, −1 outside it; None where nothing moves.

    >>> moves("flip", np.array([[[True]], [[True]], [[False]]])).tolist()
    [[0, 1], [-1, 1]]
    """
    if kind not in AUGMENTATIONS:
        raise ValueError(f"augmentation is {kind!r}: it must be one of {', '.join(AUGMENTATIONS)}")
    if kind not in ("shift", "flip"):
        return None
    numbers = np.full(prod(mask_box.shape), OUTSIDE, dtype=np.int64).reshape(mask_box.shape)
    numbers[mask_box] = np.arange(int(mask_box.sum()))
    if kind == "flip":
        moved = [numbers, np.flip(numbers, left_right)]
    else:
        moved = [numbers, *(_shifted(numbers, axis, by) for axis in range(3) for by in (-1, 1))]
    return np.stack([sources[mask_box] for sources in moved])


def _shifted(numbers: np.ndarray, axis: int, by: int) -> np.ndarray:
    """The volume moved along an axis; what comes in from beyond its edge is outside."""
    shifted = np.roll(numbers, by, axis)
    edge = [slice(None)] * 3
    edge[axis] = 0 if by > 0 else -1
    shifted[tuple(edge)] = OUTSIDE
    return shifted
