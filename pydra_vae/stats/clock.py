"""Do factors follow the data, or the time since the run began?

All subjects of a task study share one timing, so a network with a memory could draw the task from its own clock
without looking at the brain. Then rolling a recording in time would leave the factors where they are.
"""

from collections.abc import Callable

import numpy as np

BURN_IN = 20  # frames after which a recurrent network has forgotten that it began empty, or was joined

Encode = Callable[[np.ndarray], np.ndarray]


def clock_checks(encode: Encode, x: np.ndarray, shift: int = 20) -> dict[str, tuple[float, float, float]]:
    """Roll, empty and cut a recording, and see what its factors do.

    Parameters
    ----------
    encode : function
        From a recording (T, V) to its factors (T, k).
    x : (T, V) array
    shift : int
        Frames by which the recording is rolled, round the end.

    Returns
    -------
    checks : dict
        By name: value, what it is where there is no clock, and how far it may be from that (NaN: not judged).

        - "rolled input, rolled factors": correlation of the factors of the rolled recording with the rolled factors.
        - "rolled input, unrolled factors": the same with factors that stay; expected is the factors' correlation with
          themselves at that lag. A clock would bring it near 1.
        - "zero input": variation over time without any input, of that with the recording.
        - "zero input, first frames": how far factors begin from where they settle; a network without a past.
        - "later frames": change of factors when only later frames change, of their variation; 0 for a causal model.

    Raises
    ------
    ValueError
        If the recording is too short to be rolled by so much.
    """
    n_frames = len(x)
    if not 1 <= shift <= n_frames - BURN_IN - 3:
        raise ValueError(
            f"shift is {shift} frames of {n_frames}: give 1 to {n_frames - BURN_IN - 3}, so that frames are left to "
            f"compare after {BURN_IN} for the network to settle"
        )
    z, rolled = _factors(encode, x), _factors(encode, np.roll(x, shift, axis=0))
    after, before = slice(shift + BURN_IN, None), slice(BURN_IN, n_frames - shift)
    empty, scale = _factors(encode, np.zeros_like(x)), _variation(z[BURN_IN:])
    half, cut = n_frames // 2, np.array(x)
    cut[half:] = cut[half:][::-1] * -1
    changed = np.abs(_factors(encode, cut)[:half] - z[:half]).max()
    return {
        "rolled input, rolled factors": (_agreement(rolled[after], z[before]), 1.0, 0.1),
        "rolled input, unrolled factors": (
            _agreement(rolled[after], z[after]),
            _agreement(z[before], z[after]),
            0.1,
        ),
        "zero input": (_share(_variation(empty[BURN_IN:]), scale), 0.0, 0.1),
        "zero input, first frames": (_share(np.linalg.norm(empty[0] - empty[-1]), scale), np.nan, np.nan),
        "later frames": (_share(changed, scale), 0.0, 1e-3),
    }


def _factors(encode, x) -> np.ndarray:
    return np.asarray(encode(x), dtype=np.float64)


def _agreement(a, b) -> float:
    """Correlation over frames and factors, each factor centred: one that hardly varies hardly counts."""
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.vdot(a, b) / lengths) if lengths > 0 else float("nan")


def _variation(z) -> float:
    """Root of the factors' summed variance over time."""
    return float(np.sqrt(z.var(axis=0).sum()))


def _share(value, scale) -> float:
    return float(value / scale) if scale > 0 else float("nan")
