"""SeedConsistency: what its rows hold."""

from pathlib import Path

import numpy as np

from pydra_vae.stats.factor_consistency import match_factors, shift_null, standardised_recordings
from pydra_vae.tasks._io import load_array
from pydra_vae.tasks._recordings import Split


def factors_of_test(path: Path, subject_split: Path) -> np.ndarray:
    """Factors of the test recordings, (S_test, T, k) float64."""
    factors, split = load_array(path), Split.load(subject_split)
    split.check(f"recordings in {path}", factors)
    rows = split.rows("test")
    if not len(rows):
        raise ValueError(f"{subject_split} has no test recording: give at least three persons")
    return np.asarray(factors[rows], dtype=np.float64)


def compare(a: np.ndarray, b: np.ndarray, n_shifts: int, seed: int) -> dict[str, float]:
    """Agreement of two fits' factors of the same test recordings, and what shifting in time leaves of it."""
    means = a.mean(axis=0), b.mean(axis=0)
    r, null = match_factors(*means).r, shift_null(*means, n_shifts, seed)
    every = standardised_recordings(a), standardised_recordings(b)
    return {
        "matched_r": r,
        "null": float(null.mean()),
        "p": float((1 + (null >= r - 1e-12).sum()) / (1 + len(null))),
        "matched_r_recordings": match_factors(*every).r,
        # fewer: as many frames as all recordings have leave little to chance
        "null_recordings": float(shift_null(*every, max(n_shifts // 10, 1), seed).mean()),
    }
