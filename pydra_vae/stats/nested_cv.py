"""Nested cross-validation over persons, with confounds removed inside folds and permutations.

Hyper-parameters are chosen on inner folds of each outer fold's training persons. Permuted targets choose their own
where a fit predicts all of them at once (ridge regressions); SVR and other links keep those of the observed target.
Under the null, frozen ones make p of a ridge regression too large: the observed target shrinks least where chance
favours the training persons, and is punished in the fold that they leave out.

Confounds are regressed out of the latents, and out of a target with the identity link, by coefficients of the training
persons alone; the target's part that the confounds predict is then the baseline.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pydra_vae.stats.brain_age import AgeBias
from pydra_vae.stats.confound_removal import Confounds
from pydra_vae.stats.latent_models import Fit, fit_model, settings_of
from pydra_vae.stats.person_folds import deal_folds
from pydra_vae.stats.skill import area_under_curve, r_squared


@dataclass(frozen=True)
class Problem:
    """What is predicted for n persons.

    Attributes
    ----------
    y : (n,) array
        Classes are 0 and 1.
    design : (n, c) array
        Confounds, c may be 0.
    link : str
        identity, logit or log.
    fold : (n,) int array
        Of the persons that models are developed on; −1 is a test person.
    """

    y: np.ndarray
    design: np.ndarray
    link: str
    fold: np.ndarray

    @property
    def classes(self) -> bool:
        """Is the target one of two classes?"""
        return self.link == "logit"

    def splits(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(training, predicted) persons of each fold; the last one predicts the test persons, if there are any."""
        known = self.fold >= 0
        pairs = [(known & (self.fold != f), self.fold == f) for f in np.unique(self.fold[known])]
        return pairs + ([(known, ~known)] if (~known).any() else [])

    def permuted(self, n: int, seed: int) -> np.ndarray:
        """Targets permuted within folds, (persons, n); those of test persons stay.

        With confounds and the identity link the residuals are permuted (Freedman & Lane 1983), so that the
        confounds keep their effect. Within folds each keeps its mix of classes.
        """
        rng = np.random.default_rng(seed)
        known = self.fold >= 0
        kept = np.zeros(len(self.y))
        if self.link == "identity" and self.design.shape[1]:
            found = Confounds.fit(self.design[known], self.y[known, None])
            kept[known] = found.predict(self.design[known])[:, 0]
        y = np.tile((self.y - kept)[:, None], (1, n))
        for number in np.unique(self.fold[known]):
            rows = np.flatnonzero(self.fold == number)
            y[rows] = rng.permuted(y[rows], axis=0)
        return y + kept[:, None]


@dataclass(frozen=True)
class Part:
    """One split, without confounds: latents and targets of training persons, latents of those to be predicted.

    Attributes
    ----------
    x, y : (n, k), (n, B) arrays
    new : (m, k) array
    offset : (m, B) array
        What the confounds predict of the targets, 0 where they are left in.
    """

    x: np.ndarray
    y: np.ndarray
    new: np.ndarray
    offset: np.ndarray

    @classmethod
    def of(cls, x, y, problem: Problem, train: np.ndarray, predicted: np.ndarray) -> "Part":
        """Remove the confounds as the training persons have them; y is (persons, B)."""
        design, offset = problem.design, np.zeros((predicted.sum(), y.shape[1]))
        x_train, new, y_train = x[train], x[predicted], y[train]
        if design.shape[1]:
            found = Confounds.fit(design[train], x_train)
            x_train, new = x_train - found.predict(design[train]), new - found.predict(design[predicted])
            if problem.link == "identity":
                found = Confounds.fit(design[train], y_train)
                y_train, offset = y_train - found.predict(design[train]), found.predict(design[predicted])
        return cls(x_train, y_train, new, offset)

    @property
    def baseline(self) -> np.ndarray:
        """(m, B): predictions without latents."""
        return self.y.mean(axis=0) + self.offset

    def predict(self, fit: Fit, link: str) -> np.ndarray:
        """(m, B): predictions with the confounds' part; a class's probability lies between 0 and 1."""
        found = fit.predict(self.new)[0] + self.offset
        return np.clip(found, 0, 1) if link == "logit" else found


@dataclass(frozen=True)
class Outcome:
    """Predictions of one model from one set of latents.

    Attributes
    ----------
    predicted, baseline, corrected : (n,) arrays
        Out of sample; `corrected` for the age bias.
    settings : list
        Hyper-parameters, one for each split.
    importance : (folds · repeats, k) array
        Loss of R² (of classes: area under the curve) when a latent is shuffled among the predicted persons.
    coefficients : (folds, k) array or None
    """

    predicted: np.ndarray
    baseline: np.ndarray
    corrected: np.ndarray
    settings: list
    importance: np.ndarray
    coefficients: np.ndarray | None


def nested_cv(
    x: np.ndarray, problem: Problem, model: str, inner_folds: int = 4, n_repeats: int = 5, seed: int = 0
) -> Outcome:
    """Predict each person from the others.

    Parameters
    ----------
    x : (n, k) array
        Latents of the persons.
    problem : Problem
    model : str
        One of `latent_models.MODELS`.
    inner_folds : int
        Of the training persons, for the hyper-parameters: the least mean squared error.
    n_repeats : int
        Shuffles of each latent, for its importance.
    seed : int
        Of inner folds and shuffles.
    """
    y = problem.y[:, None].astype(float)
    predicted, baseline, corrected = (np.full(len(y), np.nan) for _ in range(3))
    settings, importance, coefficients = [], [], []
    for number, (train, new) in enumerate(problem.splits()):
        part = Part.of(x, y, problem, train, new)
        setting, inner = _choose(part, problem, model, inner_folds, seed)
        fit = fit_model(model, problem.link, part.x, part.y, [setting])
        predicted[new], baseline[new] = part.predict(fit, problem.link)[:, 0], part.baseline[:, 0]
        inner += y[train, 0] - part.y[:, 0]  # the confounds' part of the training persons
        corrected[new] = AgeBias.fit(y[train, 0], inner).correct(predicted[new], y[new, 0])
        settings.append(setting)
        if (problem.fold[new] >= 0).all():
            rng = np.random.default_rng((seed, number))
            importance.append(_importance(part, fit, problem, y[new], n_repeats, rng))
            coefficients.append(fit.coefficients)
    kept = None if coefficients[0] is None else np.stack([b[0, :, 0] for b in coefficients])
    return Outcome(predicted, baseline, corrected, settings, np.concatenate(importance), kept)


def permuted_predictions(
    x: np.ndarray, y: np.ndarray, problem: Problem, model: str, settings: Sequence, inner_folds: int = 4, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and baselines of permuted targets.

    Parameters
    ----------
    x, y : (n, k), (n, B) arrays
    settings : sequence
        Of the observed target, for each split: used where each permuted target has no choice of its own.
    inner_folds, seed : int
        As in `nested_cv`.

    Returns
    -------
    predicted, baseline : (n, B) arrays
    """
    predicted, baseline = np.full(y.shape, np.nan), np.full(y.shape, np.nan)
    grid, columns = settings_of(model, problem.link), np.arange(y.shape[1])
    for (train, new), setting in zip(problem.splits(), settings, strict=True):
        part = Part.of(x, y, problem, train, new)
        if problem.link == "identity" and model != "svr":
            errors = ((_inner(part, problem, model, inner_folds, seed) - part.y) ** 2).sum(axis=1)
            found = fit_model(model, problem.link, part.x, part.y, grid).predict(part.new)
            predicted[new] = found[errors.argmin(axis=0), :, columns].T + part.offset
        else:
            predicted[new] = part.predict(fit_model(model, problem.link, part.x, part.y, [setting]), problem.link)
        baseline[new] = part.baseline
    return predicted, baseline


def _choose(part, problem, model, inner_folds, seed):
    """The setting of least squared error over inner folds, and its out-of-sample predictions (n,)."""
    found = _inner(part, problem, model, inner_folds, seed)[..., 0]
    best = int(np.argmin(((found - part.y[:, 0]) ** 2).sum(axis=1)))
    return settings_of(model, problem.link)[best], found[best]


def _inner(part, problem, model, inner_folds, seed):
    """Out-of-sample predictions of the training persons with every setting, (S, n, B)."""
    grid, n = settings_of(model, problem.link), len(part.y)
    spread = part.y[:, 0] if problem.classes else np.zeros(n)  # zeros: by chance, alike for every permuted target
    fold = deal_folds(spread, min(inner_folds, n), seed=seed)
    found = np.empty((len(grid), *part.y.shape))
    for number in np.unique(fold):
        train, new = fold != number, fold == number
        found[:, new] = fit_model(model, problem.link, part.x[train], part.y[train], grid).predict(part.x[new])
    return found


def _importance(part, fit, problem, y, n_repeats, rng):
    m, k = part.new.shape
    score = _score(problem, y, part.predict(fit, problem.link), part.baseline)
    shuffled = np.tile(part.new, (n_repeats * k, 1, 1))
    for i in range(n_repeats * k):
        shuffled[i, :, i % k] = rng.permutation(shuffled[i, :, i % k])
    predicted = fit.predict(shuffled.reshape(-1, k))[0].reshape(-1, m).T + part.offset
    return (score - _score(problem, y, predicted, part.baseline)).reshape(n_repeats, k)


def _score(problem, y, predicted, baseline):
    if problem.classes:
        return area_under_curve(y[:, 0], predicted, np.zeros(len(y)))
    return r_squared(y, predicted, baseline)
