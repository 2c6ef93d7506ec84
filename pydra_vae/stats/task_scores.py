"""How well factors follow the sub-tasks: the paper's score, one without its optimism, and their controls.

*Ours*: for each sub-task the factor of highest |r| with its regressor on the **validation** average is chosen, and its
|r| on the **test** average is the score; where the sign of r differs between the two, `turned` says so. *The paper's*
("the factors that have the highest absolute average correlation with each sub-task", then their mean) chooses and
scores on the **test** average: optimistic, and otherwise the same quantity. One factor may serve two sub-tasks, in
both. Regressors are filtered like the data.

Beside them:

- chance: the mean of the largest |r| over the k factors on the test average under circular shifts of the regressors,
  which is what the paper's score is by chance; `chance_held_out` is the same of ours, choice included. A shifted
  regressor may fall on another sub-task's response, so chance is higher the better the factors are.
- p_shift, p_paper: (1 + shifts that score no less) / (1 + shifts), each against its own null.
- ceiling: r of the filtered with the unfiltered regressor on the test average, what a perfect factor of filtered data
  would reach against the unfiltered regressor.
- readout: r on the test average of a ridge regression from **all** factors, fitted on the single training recordings,
  its penalty chosen on the validation average: what the factors know, whatever their axes; with its own null by shifts.
- subject_r: r of each test recording's own chosen factor with its own regressor, times the sign of r on the
  validation average.
"""

from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.task_designs import Average, average, designs
from pydra_vae.stats.task_shifts import correlations, draw_shifts, readout

__all__ = ["TaskScores", "averages", "designs", "glm", "task_scores"]

_TIE = 1e-12  # correlations closer than this are equal: order of summation


@dataclass(frozen=True)
class TaskScores:
    """Scores of k factors against n sub-tasks; NaN (factors: −1) where a part lacks the sub-task.

    Attributes
    ----------
    factor : (n,) int array
        Chosen on the validation average.
    sign : (n,) float array
        Of the chosen factor there, −1 or 1.
    r_validation, r_test : (n,) arrays
        Its r there, with its sign; its |r| on the test average.
    turned : (n,) float array
        1 where r has another sign on the test average, else 0.
    p_shift, chance, chance_held_out, ceiling : (n,) arrays
    paper_factor : (n,) int array
        Chosen on the test average.
    r_paper, p_paper : (n,) arrays
        Its |r| there, and how often shifted regressors find as much.
    readout, readout_chance : (n,) arrays
    subject_r : (S_test, n) array
        A row for each of `subjects`.
    subjects : (S_test,) int array
        Numbers of the test recordings with events.
    overall : dict
        Means over sub-tasks of |r_validation|, r_test, chance, chance_held_out, r_paper, readout, readout_chance,
        ceiling; p_shift, p_paper and p_readout of those means; subject_r_mean, subject_r_sd over subjects' means; and
        n_subtasks, n_turned, n_designs, n_train, n_validation, n_test (recordings with events).
    """

    factor: np.ndarray
    sign: np.ndarray
    r_validation: np.ndarray
    r_test: np.ndarray
    turned: np.ndarray
    p_shift: np.ndarray
    chance: np.ndarray
    chance_held_out: np.ndarray
    ceiling: np.ndarray
    paper_factor: np.ndarray
    r_paper: np.ndarray
    p_paper: np.ndarray
    readout: np.ndarray
    readout_chance: np.ndarray
    subject_r: np.ndarray
    subjects: np.ndarray
    overall: dict[str, float]


def averages(factors, regressors, part, raw=None) -> tuple[dict[str, Average], np.ndarray]:
    """Averages of the training, validation and test recordings by name, and the design of each recording (S,)."""
    design, part = designs(regressors), np.asarray(part)
    raw = regressors if raw is None else raw
    means = {name: average(factors, regressors, raw, design, part == name) for name in ("train", "validation", "test")}
    return means, design


def task_scores(
    factors: np.ndarray,
    regressors: np.ndarray,
    part: np.ndarray,
    raw: np.ndarray | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
) -> TaskScores:
    """Score factors against sub-tasks; see the module for what each number means.

    Parameters
    ----------
    factors : (S, T, k) array
        Of S recordings.
    regressors : (S, T, n) array
        Filtered like the data; NaN where a recording has no events or lacks the sub-task.
    part : (S,) array of str
        "train", "validation" or "test".
    raw : (S, T, n) array, optional
        The unfiltered regressors, for the ceiling.
    n_permutations : int
        Circular shifts; with one design at most T − 1, each once.
    seed : int
        Of the shifts.

    Raises
    ------
    ValueError
        If shapes disagree.
    """
    factors, regressors = np.asarray(factors), np.asarray(regressors, dtype=np.float64)
    if factors.ndim != 3 or factors.shape[:2] != regressors.shape[:2] or len(part) != len(factors):
        raise ValueError(
            f"factors {factors.shape}, regressors {regressors.shape} and {len(part)} parts do not belong together: "
            "(S, T, k), (S, T, n) and S are needed"
        )
    means, design = averages(factors, regressors, part, raw)
    shifts = draw_shifts(factors.shape[1], n_permutations, seed)
    on_validation, on_test = (correlations(means[name], shifts) for name in ("validation", "test"))
    chosen, sign = _best(on_validation)
    signed = sign * np.take_along_axis(on_test, chosen[:, None], axis=1)[:, 0]
    held_out = np.abs(signed)
    turned = np.where(np.isnan(signed[0]), np.nan, signed[0] < 0)
    largest, paper = (np.abs(r).max(axis=1) for r in (on_validation, on_test))
    read = readout(means["train"], means["validation"], means["test"], shifts)
    subjects = np.flatnonzero((np.asarray(part) == "test") & (design >= 0))
    subject_r = _subject_r(factors, regressors, subjects, chosen[0], sign[0])
    ceiling, paper_factor = _ceiling(means["test"]), _best(on_test)[0][0]
    nulls = {"held_out": held_out, "paper": paper, "readout": read}
    return TaskScores(
        factor=np.where(np.isnan(sign[0]), -1, chosen[0]),
        sign=sign[0],
        r_validation=sign[0] * largest[0],
        r_test=held_out[0],
        turned=turned,
        p_shift=_p(held_out),
        chance=paper[1:].mean(axis=0),
        chance_held_out=held_out[1:].mean(axis=0),
        ceiling=ceiling,
        paper_factor=np.where(np.isnan(paper[0]), -1, paper_factor),
        r_paper=paper[0],
        p_paper=_p(paper),
        readout=read[0],
        readout_chance=read[1:].mean(axis=0),
        subject_r=subject_r,
        subjects=subjects,
        overall={
            "r_validation": float(_nanmean(largest[:1])[0]),
            **_overall(nulls, ceiling, subject_r),
            "n_turned": int(np.nansum(turned)),
            "n_designs": len(np.unique(design[design >= 0])),
            **{f"n_{name}": means[name].n for name in ("train", "validation", "test")},
        },
    )


def glm(test: Average) -> tuple[np.ndarray, np.ndarray]:
    """Ordinary least squares of each factor on all regressors together, over the test average.

    Returns
    -------
    coefficients : (k, n) float64 array
        Standardised: standard deviations of the factor for one of the regressor; NaN for a sub-task that is absent.
    r2 : (k,) float64 array
        Share of the factor's variance that all regressors explain; NaN for a factor that does not vary.
    """
    f, g = (values.reshape(-1, values.shape[2]) for values in (test.factors, test.regressors))
    size_f, size_g = np.linalg.norm(f, axis=0), np.linalg.norm(g, axis=0)
    f = f / np.where(size_f > 0, size_f, np.nan)
    coefficients = np.full((f.shape[1], g.shape[1]), np.nan)
    here = size_g > 0
    if not here.any():
        return coefficients, np.full(f.shape[1], np.nan)
    g = g[:, here] / size_g[here]
    found = np.linalg.lstsq(g, np.nan_to_num(f), rcond=None)[0]
    coefficients[:, here] = np.where(size_f > 0, found, np.nan).T
    return coefficients, 1 - ((f - g @ found) ** 2).sum(axis=0)


def _best(r) -> tuple[np.ndarray, np.ndarray]:
    """Number and sign of the factor of highest |r|, each (P, n); the sign is NaN where there is nothing to choose."""
    factor = np.nan_to_num(np.abs(r), nan=-1.0).argmax(axis=1)
    value = np.take_along_axis(r, factor[:, None], axis=1)[:, 0]
    return factor, np.where(np.isnan(value), np.nan, np.where(value < 0, -1.0, 1.0))


def _p(scores) -> np.ndarray:
    """(1 + shifts that score no less) / (1 + shifts) of scores (1 + P, …), the observed first."""
    p = (1 + (scores[1:] >= scores[0] - _TIE).sum(axis=0)) / len(scores)
    return np.where(np.isnan(scores[0]), np.nan, p)


def _ceiling(test: Average) -> np.ndarray:
    size = [np.sqrt((values**2).sum(axis=(0, 1))) for values in (test.regressors, test.raw)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (test.regressors * test.raw).sum(axis=(0, 1)) / (size[0] * size[1])


def _subject_r(factors, regressors, rows, chosen, sign) -> np.ndarray:
    found = np.full((len(rows), len(chosen)), np.nan)
    for i, row in enumerate(rows):
        f = np.asarray(factors[row], dtype=np.float64)[:, chosen]
        f, g = (values - values.mean(axis=0) for values in (f, regressors[row]))
        size_f, size_g = np.linalg.norm(f, axis=0), np.linalg.norm(g, axis=0)
        size = np.where(size_f > 0, size_f, np.inf) * np.where(size_g > 0, size_g, np.nan)
        found[i] = sign * (f * g).sum(axis=0) / size
    return found


def _overall(nulls, ceiling, subject_r) -> dict[str, float]:
    """Means over the sub-tasks that have a score, and their p against the same means of each shift."""
    mean = {name: _nanmean(scores) for name, scores in nulls.items()}
    by_subject = _nanmean(subject_r)
    by_subject = by_subject[np.isfinite(by_subject)]
    return {
        "r_test": float(mean["held_out"][0]),
        "p_shift": float(_p(mean["held_out"])),
        "chance": float(mean["paper"][1:].mean()),
        "chance_held_out": float(mean["held_out"][1:].mean()),
        "r_paper": float(mean["paper"][0]),
        "p_paper": float(_p(mean["paper"])),
        "readout": float(mean["readout"][0]),
        "p_readout": float(_p(mean["readout"])),
        "readout_chance": float(mean["readout"][1:].mean()),
        "ceiling": float(_nanmean(ceiling[None])[0]),
        "subject_r_mean": float(by_subject.mean()) if len(by_subject) else np.nan,
        "subject_r_sd": float(by_subject.std(ddof=1)) if len(by_subject) > 1 else np.nan,
        "n_subtasks": int(np.isfinite(nulls["paper"][0]).sum()),
    }


def _nanmean(values) -> np.ndarray:
    """Mean over the last axis of what is not NaN; NaN where nothing is left."""
    here = np.isfinite(values)
    n = here.sum(axis=-1)
    return np.where(n > 0, np.where(here, values, 0).sum(axis=-1) / np.maximum(n, 1), np.nan)
