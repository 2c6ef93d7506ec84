"""Scores of a model that predicts a target from latents: cross-validated, on test persons, and by chance."""

import numpy as np

from pydra_vae.stats.latent_models import link_of
from pydra_vae.stats.nested_cv import Outcome, Problem, permuted_predictions
from pydra_vae.stats.skill import area_under_curve, balanced_accuracy, correlation, r_squared, r_squared_error


def score_row(outcome: Outcome, problem: Problem, model: str, brain_age: bool, seed: int = 0) -> dict:
    """Columns of `LatentRegression`'s scores, without those of the permutations.

    Parameters
    ----------
    outcome : Outcome
    problem : Problem
    model : str
    brain_age : bool
        Whether the target is an age, whose bias is to be corrected.
    seed : int
        Of the draws for the standard error of R².
    """
    row = {"link": link_of(model, problem.link), "metric": metric(problem)}
    for suffix, rows in (("", problem.fold >= 0), ("_test", problem.fold < 0)):
        row |= {f"{name}{suffix}": value for name, value in _scores(outcome, problem, rows, seed).items()}
        if brain_age:
            row |= {f"{name}{suffix}": value for name, value in _age_scores(outcome, problem, rows).items()}
    return row


def metric(problem: Problem) -> str:
    """What permutations and importance are about."""
    return "auc" if problem.classes else "r2"


def _scores(outcome, problem, rows, seed):
    y, predicted, baseline, fold = problem.y[rows], outcome.predicted[rows], outcome.baseline[rows], problem.fold[rows]
    if not len(y):
        return {"n": 0}
    row = {
        "n": len(y),
        "r2": float(r_squared(y, predicted, baseline)),
        "r2_se": r_squared_error(y, predicted, baseline, seed=seed),
    }
    if problem.classes:
        return row | {
            "auc": float(area_under_curve(y, predicted[:, None], fold)[0]),
            "balanced_accuracy": balanced_accuracy(y, predicted, baseline),
        }
    part = y - baseline  # what latents can add to the confounds and the mean
    return row | {
        "r": correlation(part, predicted - baseline),
        "mae": float(np.abs(y - predicted).mean()),
        "rmse": float(np.sqrt(((y - predicted) ** 2).mean())),
        "baseline_mae": float(np.abs(part).mean()),
    }


def _age_scores(outcome, problem, rows):
    y, predicted, corrected = problem.y[rows], outcome.predicted[rows], outcome.corrected[rows]
    if not len(y):
        return {}
    return {
        "gap_r_with_age": correlation(predicted - y, y),
        "gap_r_with_age_corrected": correlation(corrected - y, y),
        "mae_corrected": float(np.abs(corrected - y).mean()),
        "r2_corrected": float(r_squared(y, corrected, outcome.baseline[rows])),
    }


def permutation_row(
    row: dict,
    x: np.ndarray,
    outcome: Outcome,
    problem: Problem,
    model: str,
    n: int,
    inner_folds: int = 4,
    seed: int = 0,
) -> dict:
    """p_permutation, chance (mean of the null), chance_95, p_test, chance_test; one-sided, (1 + b)/(1 + n)."""
    y = problem.permuted(n, seed)
    predicted, baseline = permuted_predictions(x, y, problem, model, outcome.settings, inner_folds, seed)
    found = {"n_permutations": n}
    for rows, names in (
        (problem.fold >= 0, ("", "p_permutation", "chance", "chance_95")),
        (problem.fold < 0, ("_test", "p_test", "chance_test", "chance_95_test")),
    ):
        if not rows.any():
            continue
        if problem.classes:
            null = area_under_curve(y[rows], predicted[rows], problem.fold[rows])
        else:
            null = r_squared(y[rows], predicted[rows], baseline[rows])
        observed = row[metric(problem) + names[0]]
        p = (1 + (null >= observed).sum()) / (1 + n) if np.isfinite(observed) else np.nan
        found |= dict(zip(names[1:], (p, float(null.mean()), float(np.quantile(null, 0.95))), strict=True))
    return found
