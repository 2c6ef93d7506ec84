"""A table of confounds as fMRIPrep would compute it from a simulated run."""

import numpy as np
import pandas as pd

from pydra_vae.simulate.geometry import Geometry

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
HEAD_RADIUS_MM = 50.0
HIGH_PASS_SECONDS = 128.0
N_COMPCOR = 5
FD_OUTLIER_MM, STD_DVARS_OUTLIER = 0.5, 1.5


def confounds_table(
    run: np.ndarray, geometry: Geometry, motion: np.ndarray, t_r: float, non_steady_state: int
) -> tuple[pd.DataFrame, dict]:
    """Confounds of one run, and the metadata of their columns.

    Parameters
    ----------
    run : (B, T) array
        Scanner units, over the brain.
    geometry : Geometry
    motion : (T, 6) array
        Translations in mm and rotations in rad.
    t_r : float
        Repetition time in seconds.
    non_steady_state : int
        Frames to mark at the start.

    Returns
    -------
    table : (T, n) DataFrame
        fMRIPrep's names; NaN where it writes n/a.
    metadata : dict
        What fMRIPrep's sidecar says of the components.
    """
    n_frames = run.shape[1]
    csf = ~(geometry.grey | geometry.white)
    columns: dict[str, np.ndarray] = {}
    for name, voxels in (("global_signal", slice(None)), ("csf", csf), ("white_matter", geometry.white)):
        columns |= _expanded(name, run[voxels].mean(axis=0))
    columns |= _displacement(run, motion)
    cosines = _cosines(n_frames, t_r)
    compcor, metadata = _compcor(run[csf | geometry.white], cosines)
    columns |= compcor
    columns |= {f"cosine{k:02d}": course for k, course in enumerate(cosines)}
    for k in range(non_steady_state):
        columns[f"non_steady_state_outlier{k:02d}"] = np.eye(n_frames)[k]
    for name, course in zip(MOTION, motion.T, strict=True):
        columns |= _expanded(name, course)
    outliers = _outliers(columns, non_steady_state)
    columns |= {f"motion_outlier{k:02d}": np.eye(n_frames)[t] for k, t in enumerate(outliers)}
    return pd.DataFrame(columns), metadata


def _expanded(name: str, course: np.ndarray) -> dict[str, np.ndarray]:
    """A course with its backward difference and the squares of both."""
    difference = np.concatenate([[np.nan], np.diff(course)])
    return {
        name: course,
        f"{name}_derivative1": difference,
        f"{name}_derivative1_power2": difference**2,
        f"{name}_power2": course**2,
    }


def _displacement(run, motion) -> dict[str, np.ndarray]:
    """Framewise displacement (Power 2012) in mm, DVARS, and DVARS over its median."""
    moved = np.abs(np.diff(motion, axis=0)) * np.array([1, 1, 1] + [HEAD_RADIUS_MM] * 3)
    dvars = np.sqrt(np.mean(np.diff(run, axis=1) ** 2, axis=0))
    return {
        "std_dvars": np.concatenate([[np.nan], dvars / np.median(dvars)]),
        "dvars": np.concatenate([[np.nan], dvars]),
        "framewise_displacement": np.concatenate([[np.nan], moved.sum(axis=1)]),
    }


def _cosines(n_frames, t_r) -> np.ndarray:
    """Discrete cosines slower than 128 s, (n, T)."""
    order = int(np.floor(2 * n_frames * t_r / HIGH_PASS_SECONDS))
    time = (np.arange(n_frames) + 0.5) / n_frames
    return np.sqrt(2 / n_frames) * np.cos(np.pi * np.arange(1, order + 1)[:, None] * time)


def _compcor(tissue, cosines) -> tuple[dict[str, np.ndarray], dict]:
    """Principal courses of white matter and CSF after the high-pass, and their metadata."""
    centred = tissue - tissue.mean(axis=1, keepdims=True)
    centred = centred - (centred @ cosines.T) @ cosines
    centred /= np.maximum(centred.std(axis=1, keepdims=True), 1e-6)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    share = np.clip(values[::-1], 0, None) / values.sum()
    columns, metadata = {}, {}
    for k in range(N_COMPCOR):
        name = f"a_comp_cor_{k:02d}"
        columns[name] = vectors[:, -1 - k]
        metadata[name] = {
            "Method": "aCompCor",
            "Mask": "combined",
            "Retained": True,
            "SingularValue": float(np.sqrt(max(values[-1 - k], 0))),
            "VarianceExplained": float(share[k]),
            "CumulativeVarianceExplained": float(share[: k + 1].sum()),
        }
    return columns, metadata


def _outliers(columns, first) -> np.ndarray:
    """Frames that fMRIPrep would mark for their motion."""
    far = np.nan_to_num(columns["framewise_displacement"]) > FD_OUTLIER_MM
    far |= np.nan_to_num(columns["std_dvars"]) > STD_DVARS_OUTLIER
    far[: first + 1] = False
    return np.flatnonzero(far)
