"""Predict a covariate from latents, beside the mean and the same models on PCA scores."""

from pathlib import Path
from typing import Literal

from fileformats.generic import File

from pydra_vae.engine.step import step

SCORES = (
    "features", "model", "link", "target", "confounds", "metric", "n", "r2", "r2_se", "r", "mae", "rmse", "auc",
    "balanced_accuracy", "baseline_mae", "p_permutation", "chance", "chance_95", "n_permutations", "gap_r_with_age",
    "gap_r_with_age_corrected", "mae_corrected", "r2_corrected", "n_test", "r2_test", "r2_se_test", "r_test",
    "mae_test", "rmse_test", "auc_test", "balanced_accuracy_test", "baseline_mae_test", "p_test", "chance_test",
    "gap_r_with_age_test", "gap_r_with_age_corrected_test", "mae_corrected_test", "r2_corrected_test",
)  # fmt: skip
PREDICTIONS = (
    "label", "person", "part", "target", "features", "model", "fold", "observed", "predicted", "baseline", "corrected",
    "gap", "gap_corrected",
)  # fmt: skip
IMPORTANCE = ("target", "features", "model", "latent", "importance", "sd", "coefficient", "coefficient_sd")
NO_FEATURES = "none"


@step(outputs={"scores": File, "predictions": File, "importance": File, "info": File})
def LatentRegression(
    features: list[File],
    names: list[str],
    covariates: File,
    volume_split: File,
    target: str,
    confounds: list[str] = [],  # noqa: B006 (a step's default is read, never changed)
    models: list[str] = ["mean", "glm", "svr", "polynomial", "spline"],  # noqa: B006
    link: Literal["auto", "identity", "logit", "log"] = "auto",
    n_folds: int = 5,
    inner_folds: int = 4,
    n_permutations: int = 100,
    seed: int = 0,
    brain_age: bool | None = None,
):
    """Predict a covariate of persons from the latents of their first image, by nested cross-validation.

    Two figures for each model: over the training and validation persons, each predicted by a fit on the other folds;
    and over the test persons, predicted by one fit on all of those (columns that end in _test). The latents themselves
    were learnt, without the target, on images of the training persons: only the test persons are new to everything.

    Parameters
    ----------
    features : list of files
        (N, k) latents or scores of all images, each a set of features.
    names : list of str
        Of the sets, e.g. VAE, PCA-12.
    covariates : file
        Table of Covariates, in the order of the split.
    volume_split : file
        Split of the persons (SplitSubjects).
    target : str
        Column to be predicted; words, and numbers of two values, are classes.
    confounds : list of str
        Columns that are regressed out of the latents, and of a target with the identity link, inside folds; R² is then
        over what the confounds leave.
    models : list of str
        Of mean, glm (penalised, linear in the latents), svr (radial basis functions), polynomial (squares and
        products), spline (cubic, additive).
    link : str
        Of glm, polynomial and spline; auto is logit for two classes, else identity; log for numbers that are not
        negative. SVR takes classes as 0 and 1.
    n_folds, inner_folds : int
        Of persons, for the scores; and of each fold's training persons, for hyper-parameters.
    n_permutations : int
        Of the target within folds; ridge regressions choose their penalty again for each, SVR and other links keep
        that of the observed target. 0 for none.
    seed : int
        Of folds, permutations and shuffles.
    brain_age : bool, optional
        Correct the bias of predicted age; by default where the target is called age.

    Returns
    -------
    scores : file
        TSV, one row a set of features and model, the mean-only model (with the confounds) first: r2 (against the
        mean-only model; of classes Brier's skill score), r2_se, r (of what confounds leave), mae, rmse, auc (mean over
        folds), balanced_accuracy, baseline_mae, p_permutation and chance (of r2, or auc where metric says so);
        of an age the gap's correlation with age before and after the correction. The corrected error is of no use as
        accuracy: the correction knows the age, and the mean-only row shows what it does by itself.
    predictions : file
        TSV, one row a person, set of features and model: fold (test for test persons), observed, predicted, baseline,
        and of an age corrected, gap, gap_corrected.
    importance : file
        TSV, one row a latent (from 0): importance (loss of r2, or auc, when shuffled among the predicted persons; mean
        and sd over folds and shuffles), coefficient of glm per sd of the latent, mean and sd over folds.
    info : file
        JSON: persons used and left out, classes, link, hyper-parameters of each fold, the test persons' last.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.latent_regression import permutation_row, score_row
    from pydra_vae.stats.nested_cv import nested_cv
    from pydra_vae.tasks._io import write_json

    _check(features, names, models, target, confounds)
    data = _load(features, covariates, volume_split, target, confounds, link, n_folds, seed)
    ages = not data.classes and (target.lower() in ("age", "age_years") if brain_age is None else brain_age)
    tables: dict[str, list] = {"scores": [], "predictions": [], "importance": []}
    chosen = []
    for name, model, x in _pairs(names, models, data.features):
        outcome = nested_cv(x, data.problem, model, inner_folds, seed=seed)
        row = score_row(outcome, data.problem, model, ages, seed)
        if n_permutations and model != "mean":
            row |= permutation_row(row, x, outcome, data.problem, model, n_permutations, inner_folds, seed)
        head = {"target": target, "features": name, "model": model}
        tables["scores"].append({**head, "confounds": " ".join(confounds) or None, **row})
        tables["predictions"] += _predictions(head, data, outcome, ages)
        tables["importance"] += [] if model == "mean" else _importance(head, outcome)
        chosen.append({**head, "settings": outcome.settings})
    columns = {"scores": SCORES, "predictions": PREDICTIONS, "importance": IMPORTANCE}
    written = [write_table(Path(f"{n}.tsv"), pd.DataFrame(rows, columns=columns[n])) for n, rows in tables.items()]
    info = data.info | {"brain_age": bool(ages), "n_folds": n_folds, "inner_folds": inner_folds, "chosen": chosen}
    return *written, write_json(Path("info.json"), info)


def _check(features, names, models, target, confounds):
    from pydra_vae.stats.latent_models import MODELS

    if len(features) != len(names) or not names:
        raise ValueError(
            f"{len(features)} sets of features but {len(names)} names: give one for each, and one at least"
        )
    unknown = [model for model in models if model not in MODELS]
    if unknown or not models:
        raise ValueError(f"models {', '.join(unknown) or '(none)'} are not known: choose among {', '.join(MODELS)}")
    if target in confounds:
        raise ValueError(f"{target} is the target and a confound: nothing would be left to predict")


class _Data:
    """What all models share: persons' rows, their features, the problem."""

    def __init__(self, split, rows, features, problem, classes, info):
        self.split, self.rows, self.features = split, rows, features
        self.problem, self.classes, self.info = problem, classes, info


def _load(features, covariates, volume_split, target, confounds, link, n_folds, seed):
    from pydra_vae.stats.confound_removal import confound_design
    from pydra_vae.stats.nested_cv import Problem
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.tasks._regression import plan_regression
    from pydra_vae.tasks._volume_latents import load_latents, read_covariates

    split = Split.load(volume_split)
    table = read_covariates(covariates, split)
    sets = [load_latents(path, split) for path in features]
    found = plan_regression(split, table, target, confounds, link, n_folds, seed, covariates)
    n = len(found.y)
    problem = Problem(found.y, confound_design(found.columns, n), found.link, found.fold)
    info = {
        "target": target, "classes": found.classes, "link": found.link, "confounds": list(confounds),
        "persons": n, "persons_test": int((found.fold < 0).sum()), "persons_left_out": found.n_first - n,
        "images_of_later_visits": len(split.label) - found.n_first,
    }  # fmt: skip
    return _Data(split, found.rows, [x[found.rows] for x in sets], problem, found.classes, info)


def _pairs(names, models, sets):
    """(name, model, features), the mean once and first."""
    if "mean" in models:
        yield NO_FEATURES, "mean", sets[0]
    for name, x in zip(names, sets, strict=True):
        yield from ((name, model, x) for model in models if model != "mean")


def _predictions(head, data, outcome, ages):
    rows = []
    for i, row in enumerate(data.rows):
        observed, fold = data.problem.y[i], data.problem.fold[i]
        found = {
            "label": data.split.label[row], "person": data.split.person[row], "part": data.split.part[row], **head,
            "fold": "test" if fold < 0 else int(fold), "observed": observed, "predicted": outcome.predicted[i],
            "baseline": outcome.baseline[i],
        }  # fmt: skip
        if ages:
            corrected = outcome.corrected[i]
            found |= {"corrected": corrected, "gap": found["predicted"] - observed}
            found["gap_corrected"] = corrected - observed
        rows.append(found)
    return rows


def _importance(head, outcome):
    coefficients = outcome.coefficients
    return [
        {
            **head, "latent": j, "importance": drop.mean(), "sd": drop.std(),
            "coefficient": None if coefficients is None else coefficients[:, j].mean(),
            "coefficient_sd": None if coefficients is None else coefficients[:, j].std(),
        }
        for j, drop in enumerate(outcome.importance.T)
    ]  # fmt: skip
