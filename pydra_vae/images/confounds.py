"""fMRIPrep's confound tables: which frames count, and which regressors to remove.

The strategies are nilearn's (`nilearn.interfaces.fmriprep.load_confounds_strategy`), with its names and
defaults. One departure: ``ica_aroma`` means the noise components of the table (nilearn's ``basic``),
because nilearn's ``full`` needs fMRIPrep's ``desc-smoothAROMAnonaggr`` images, and only
``desc-preproc`` is read here.

Frames are never cut out. Dummy, non-steady-state and scrubbed frames are one union with weight 0.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pydra_vae.images.headers import MIN_FRAMES

STRATEGIES = ("none", "simple", "scrubbing", "compcor", "ica_aroma")
REASONS = ("dummy", "non_steady_state", "scrub")  # the order in which they are listed
# What each strategy lets the user choose, in nilearn's vocabulary.
PARAMETERS = {
    "none": (),
    "simple": ("motion", "wm_csf", "global_signal"),
    "scrubbing": ("motion", "wm_csf", "global_signal", "scrub"),
    "compcor": ("motion", "global_signal", "compcor", "n_compcor"),
    "ica_aroma": ("wm_csf", "global_signal"),
}


class ConfoundsError(ValueError):
    """A confounds table does not hold what was asked for; the message lists what it holds."""


def read_table(confounds: Path, n_frames: int) -> pd.DataFrame:
    """Read fMRIPrep's table of confounds, one row a frame.

    Raises
    ------
    ConfoundsError
        If it cannot be read, or has not one row for each of the BOLD's volumes.
    """
    try:
        table = pd.read_csv(confounds, sep="\t", na_values="n/a")
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise ConfoundsError(f"the confounds table {confounds} cannot be read: {error}") from error
    if len(table) != n_frames:
        raise ConfoundsError(
            f"the confounds table {confounds} has {len(table)} rows, but the BOLD has {n_frames} volumes: "
            "do they belong to the same run? If volumes were cut off, cut off the rows too"
        )
    return table


def load(
    confounds: Path | None,
    n_frames: int,
    strategy: str = "none",
    confounds_json: Path | None = None,
    fd_threshold: float | None = None,
    std_dvars_threshold: float | None = None,
    dummy_scans: int = 0,
    **parameters: Any,
) -> tuple[pd.DataFrame | None, pd.DataFrame]:
    """Choose regressors and frames of one run.

    Parameters
    ----------
    confounds : Path or None
        fMRIPrep's table; needed for any strategy and threshold.
    n_frames : int
        Volumes of the BOLD.
    strategy : {"none", "simple", "scrubbing", "compcor", "ica_aroma"}
        nilearn's denoising strategy.
    confounds_json : Path, optional
        The table's description; needed for ``compcor``.
    fd_threshold : float, optional
        Censor frames with a larger framewise displacement, in mm. Default: 0.5 with ``scrubbing``, else none.
    std_dvars_threshold : float, optional
        Censor frames with larger standardised DVARS. Default: 1.5 with ``scrubbing``, else none.
    dummy_scans : int
        Censor this many frames at the start.
    **parameters
        Of nilearn's `load_confounds`: motion, wm_csf, global_signal, compcor, n_compcor, scrub.

    Returns
    -------
    regressors : (T, n) pandas.DataFrame or None
        All frames; None without a strategy.
    frames : (T,) pandas.DataFrame
        Columns frame, weight (1 or 0) and reason; see `frame_table`.

    Raises
    ------
    ConfoundsError
        If the table is missing, of another length, or lacks what the strategy needs.
    """
    _check_parameters(strategy, parameters)
    thresholds = {"framewise_displacement": fd_threshold, "std_dvars": std_dvars_threshold}
    if confounds is None:
        _refuse_without_table(strategy, thresholds)
        return None, frame_table(n_frames, {"dummy": range(min(dummy_scans, n_frames))})
    table = read_table(confounds, n_frames)
    reasons: dict[str, Iterable[int]] = {
        "dummy": range(min(dummy_scans, n_frames)),
        "non_steady_state": non_steady_state(table),
    }
    if strategy == "scrubbing":
        given = {"fd_threshold": fd_threshold, "std_dvars_threshold": std_dvars_threshold} | parameters
        regressors, kept = _load_with_nilearn(confounds, confounds_json, strategy, given, table)
        reasons["scrub"] = set(range(n_frames)) - set(kept) - set(reasons["non_steady_state"])
        return regressors, frame_table(n_frames, reasons)
    reasons["scrub"] = _above(table, thresholds, confounds)
    if strategy == "none":
        return None, frame_table(n_frames, reasons)
    regressors, _ = _load_with_nilearn(confounds, confounds_json, strategy, parameters, table)
    return regressors, frame_table(n_frames, reasons)


def non_steady_state(table: pd.DataFrame) -> list[int]:
    """Frames that fMRIPrep marked as acquired before the steady state."""
    columns = [c for c in table if c.startswith("non_steady_state")]
    return np.nonzero(table[columns].fillna(0).to_numpy().any(axis=1))[0].tolist() if columns else []


def frame_table(n_frames: int, reasons: Mapping[str, Iterable[int]]) -> pd.DataFrame:
    """Which frames count, as one union.

    Parameters
    ----------
    n_frames : int
    reasons : mapping
        ``dummy``, ``non_steady_state`` or ``scrub`` to frames, counted from 0.

    Returns
    -------
    frames : pandas.DataFrame
        Columns frame, weight (1; 0 for a censored one) and reason (``n/a``, or the reasons joined by +).

    Examples
    --------
    >>> frame_table(3, {"scrub": [0], "dummy": [0, 1]})["reason"].tolist()
    ['dummy+scrub', 'dummy', 'n/a']
    """
    why: list[list[str]] = [[] for _ in range(n_frames)]
    for reason in REASONS:
        for frame in sorted(set(reasons.get(reason, ()))):
            why[frame].append(reason)
    return pd.DataFrame(
        {
            "frame": np.arange(n_frames),
            "weight": [int(not reasons) for reasons in why],
            "reason": ["+".join(reasons) or "n/a" for reasons in why],
        }
    )


def count_reasons(frames: pd.DataFrame) -> dict[str, int]:
    """How many frames each reason censors; frames with two reasons count for both."""
    split = [set(text.split("+")) for text in frames["reason"]]
    return {reason: sum(reason in one for one in split) for reason in REASONS if any(reason in one for one in split)}


def check_enough_frames(frames: pd.DataFrame, bold: Path) -> None:
    """Raise ValueError if fewer than 32 frames are left."""
    left = int(frames["weight"].sum())
    if left < MIN_FRAMES:
        counts = ", ".join(f"{reason} {n}" for reason, n in count_reasons(frames).items())
        raise ValueError(
            f"{left} of {len(frames)} frames of {bold} are left after censoring ({counts}): at least {MIN_FRAMES} are "
            "needed; raise --fd-threshold, lower --dummy-scans, or leave this run out with --run"
        )


def _check_parameters(strategy: str, parameters: Mapping[str, Any]) -> None:
    if strategy not in STRATEGIES:
        raise ConfoundsError(f"unknown strategy {strategy!r}: choose one of {', '.join(STRATEGIES)}")
    needless = [key for key in parameters if key not in PARAMETERS[strategy]]
    if needless:
        accepted = ", ".join(PARAMETERS[strategy]) or "none"
        raise ConfoundsError(f"the strategy {strategy} takes no {', '.join(needless)}; it takes: {accepted}")


def _refuse_without_table(strategy: str, thresholds: Mapping[str, float | None]) -> None:
    asked = [f"the strategy {strategy}"] * (strategy != "none")
    asked += [f"a threshold on {name}" for name, value in thresholds.items() if value is not None]
    if asked:
        raise ConfoundsError(
            f"{' and '.join(asked)} needs a confounds table, and this run has none: there should be a "
            "*_desc-confounds_timeseries.tsv (or _regressors.tsv) beside the BOLD"
        )


def _above(table: pd.DataFrame, thresholds: Mapping[str, float | None], path: Path) -> set[int]:
    frames: set[int] = set()
    for column, threshold in thresholds.items():
        if threshold is None:
            continue
        if column not in table:
            raise ConfoundsError(
                f"{path} has no column {column}, which the threshold needs; {_columns(table)}. Leave the threshold out"
            )
        frames |= set(np.nonzero(table[column].to_numpy(float) > threshold)[0].tolist())
    return frames


def _load_with_nilearn(
    confounds: Path, description: Path | None, strategy: str, parameters: Mapping[str, Any], table: pd.DataFrame
) -> tuple[pd.DataFrame, Sequence[int]]:
    """Let nilearn choose; it finds the table by the image's name, so both are linked under names it knows."""
    from nilearn.interfaces.fmriprep import load_confounds, load_confounds_strategy

    given = {key: value for key, value in parameters.items() if value is not None}
    if strategy == "compcor" and description is None:
        raise ConfoundsError(
            f"the strategy compcor needs the description of {confounds}, a .json of the same name beside it: "
            "copy it there from fMRIPrep's output, or choose another --confounds"
        )
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stem = Path(folder, "sub-x_task-x_desc-confounds_timeseries")
        stem.with_suffix(".tsv").symlink_to(Path(confounds).absolute())
        if description is not None:
            stem.with_suffix(".json").symlink_to(Path(description).absolute())
        image = str(Path(folder, "sub-x_task-x_desc-preproc_bold.nii.gz"))
        try:
            if strategy == "ica_aroma":
                parts = ["high_pass", "wm_csf", "ica_aroma"] + ["global_signal"] * ("global_signal" in given)
                regressors, kept = load_confounds(image, parts, **({"ica_aroma": "basic"} | given))
            else:
                regressors, kept = load_confounds_strategy(image, strategy, **given)
        except (ValueError, KeyError) as error:
            reason = str(error.args[0] if error.args else error)
            reason = reason.replace(str(stem), str(Path(confounds).with_suffix("")))
            raise ConfoundsError(
                f"{confounds} does not hold what the strategy {strategy} needs ({reason}); {_columns(table)}. "
                "Choose another --confounds, or a table of fMRIPrep's that has them"
            ) from error
    if regressors is None or regressors.shape[1] == 0:
        raise ConfoundsError(f"the strategy {strategy} selects no column of {confounds}; {_columns(table)}")
    kept = range(len(table)) if kept is None else [int(k) for k in kept]
    bad = [c for c in regressors if not np.isfinite(regressors[c].to_numpy(float)[kept]).all()]
    if bad:
        raise ConfoundsError(f"{confounds} holds n/a after the first row, in: {', '.join(bad)}")
    return regressors, kept


def _columns(table: pd.DataFrame, most: int = 30) -> str:
    names = [str(c) for c in table.columns]
    return "its columns are: " + ", ".join(names[:most]) + (f", … ({len(names)})" if len(names) > most else "")
