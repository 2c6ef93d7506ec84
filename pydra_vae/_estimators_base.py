"""What the estimators of `pydra_vae.estimators` share: seed, split, threads, device, progress, score."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit
from sklearn.utils import check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

PARTS = ("train", "validation", "test")  # in a split, by name or by number
WHOLE = (
    "latent_dim", "max_steps", "max_epochs", "batch_size", "patience", "kl_annealing_steps", "annealing_steps", "crop",
    "n_left", "width", "ssim_window", "n_samples", "left_right",
)  # fmt: skip
SCORED = 4096  # rows at a time, so that a score never holds a second array of the data's size


class VaeEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """An estimator over the fits of `pydra_vae.training`; the subclass says what is fitted to what.

    Rows of X are samples, by default those of a matrix. `_learn` returns a model and its `training.fit.Fit`; `_encode`
    and `_decode` run it. Threads and torch's generators are given back after each call.
    """

    _samples, _fewest = "rows", 2  # what a message calls them; how many a part of the split needs

    def fit(self, X, y=None, *, split=None, groups=None):
        """Train on most samples, choose the weights by the others.

        Parameters
        ----------
        X : array of samples
            As the class says.
        y : ignored
        split : (n_samples,) array of {0, 1, 2} or {"train", "validation", "test"}, optional
            Which samples train and which choose the weights; those of the test are left alone. Drawn at random without
            it, a share of `validation_fraction` for validation.
        groups : (n_samples,) array, optional
            Samples of one group lie on one side of a split that is drawn, e.g. visits of a person.

        Returns
        -------
        self
        """
        from pydra_vae.training.devices import resolve_device

        check_whole({name: getattr(self, name) for name in WHOLE if hasattr(self, name)})
        x = self._checked(X, reset=True)
        seed = seed_of(self.random_state)
        if split is None:
            split = draw_split(len(x), self.validation_fraction, seed, groups, self._fewest)
        self.split_ = split_codes(split, len(x), self._samples)
        device, threads = resolve_device(self.device), effective_n_jobs(self.n_jobs)
        with reported(self.verbose, self.progress, type(self).__name__) as progress:
            options = {"threads": threads, "device": device, "progress": progress}
            self.model_, done = self._learn(x, self.split_, seed, options)
        self.history_, self.best_step_, self.n_steps_ = done.history, done.best_step, done.steps
        self._n_features_out = self.latent_dim
        return self

    def transform(self, X):
        """Latents of samples: the means μ of q(z | x).

        Parameters
        ----------
        X : array of samples
            As for `fit`.

        Returns
        -------
        Z : (n_samples, latent_dim) float32 array
        """
        check_is_fitted(self)
        x = self._checked(X, reset=False)
        with self._computing() as device:
            return self._encode(x, device)

    def inverse_transform(self, Z):
        """Samples as the model reconstructs them from latents, in the units of the data.

        Parameters
        ----------
        Z : (n_samples, latent_dim) array

        Returns
        -------
        X : (n_samples, n_features) float32 array
        """
        check_is_fitted(self)
        z = self._latents(Z)
        with self._computing() as device:
            return self._decode(z, device)

    def score(self, X, y=None) -> float:
        """R² of the reconstruction: 1 − its squared error over that of the mean predictor, the training samples' mean.

        Parameters
        ----------
        X : array of samples
            Those that `fit` has not seen tell something.
        y : ignored

        Returns
        -------
        r2 : float
            1 is perfect, 0 as good as the mean of the training samples.
        """
        check_is_fitted(self)
        x = self._checked(X, reset=False)
        error = total = 0.0
        with self._computing() as device:
            for part in chunks(len(x)):
                of_part, about_mean = self._errors(x[part], device)
                error, total = error + of_part, total + about_mean
        return r_squared(error, total)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]  # the networks compute in it
        return tags

    def _checked(self, X, reset: bool) -> np.ndarray:
        """(n, n_features) float32 array of X; a memory map stays one."""
        fewest = 2 * self._fewest if reset else 1
        return validate_data(self, X, dtype=np.float32, reset=reset, ensure_min_samples=fewest)

    def _latents(self, Z) -> np.ndarray:
        """(n, latent_dim) float32 array of Z."""
        return check_latents(Z, self._n_features_out)

    def _learn(self, x, split: np.ndarray, seed: int, options: dict):
        raise NotImplementedError

    def _encode(self, x, device):
        raise NotImplementedError

    def _decode(self, z, device):
        raise NotImplementedError

    def _errors(self, x: np.ndarray, device) -> tuple[float, float]:
        """Sums of squares about the reconstruction, and about the training samples' mean."""
        reconstruction = self._decode(self._encode(x, device), device)
        return squares(x - reconstruction), squares(x - self.mean_)

    @contextmanager
    def _computing(self) -> Iterator:
        """The device to compute on; after the block the model lies on the CPU, so that it can be pickled anywhere."""
        from pydra_vae.training.devices import reproducible, resolve_device

        with reproducible(0, effective_n_jobs(self.n_jobs)):
            try:
                yield resolve_device(self.device)
            finally:
                self.model_.cpu()


def seed_of(random_state) -> int:
    """The seed itself where it is an integer, else one drawn from the generator."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def check_whole(parameters: dict):
    """Refuse a count that is no whole number; how small it may be, the fit knows."""
    for name, value in parameters.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | np.integer)):
            raise ValueError(f"{name} is {value!r}: it must be a whole number")


def draw_split(n: int, share: float, seed: int, groups: Sequence | None, fewest: int) -> np.ndarray:
    """(n,) int8 split: 1 for a random share of the samples, by whole groups where there are any, else 0."""
    if not 0 < share < 1:
        raise ValueError(f"validation_fraction is {share}: it must lie between 0 and 1")
    if groups is None:
        drawn = ShuffleSplit(1, test_size=max(fewest, round(share * n)), random_state=seed).split(np.empty(n))
    elif len(np.unique(groups)) < 2:
        raise ValueError("groups has 1 group: one is needed to train on, another one to choose the weights")
    else:
        drawn = GroupShuffleSplit(1, test_size=share, random_state=seed).split(np.empty(n), groups=groups)
    split = np.zeros(n, dtype=np.int8)
    split[next(drawn)[1]] = 1
    return split


def split_codes(split, n: int, samples: str) -> np.ndarray:
    """(n,) int8 of 0, 1, 2 from numbers or names.

    >>> split_codes(["train", "test", "validation"], 3, "images").tolist()
    [0, 2, 1]
    """
    split = np.asarray(split)
    if split.shape != (n,):
        raise ValueError(f"split has shape {split.shape} but there are {n} {samples}: give one entry for each")
    names = {name: code for code, name in enumerate(PARTS)} | {code: code for code in range(3)}
    strange = [value for value in np.unique(split).tolist() if value not in names]
    if strange:
        raise ValueError(f"split holds {strange[0]!r}: its entries are 0, 1, 2 or {', '.join(PARTS)}")
    return np.array([names[value] for value in split.tolist()], dtype=np.int8)


@contextmanager
def reported(verbose, progress: Callable[..., None] | None, title: str) -> Iterator[Callable[..., None] | None]:
    """The callback of a training: the user's own and, where verbose, a bar on stderr or in the notebook."""
    if not verbose:
        yield progress
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        "{task.description}",
        BarColumn(),
        "{task.completed}/{task.total} steps",
        TextColumn("{task.fields[best]}"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, best="")

        def report(**figures):
            best = f"best validation {figures['best']:.4g}"
            bar.update(task, completed=figures["step"], total=figures["steps"], best=best)
            if progress is not None:
                progress(**figures)

        yield report


def check_latents(Z, latent_dim: int) -> np.ndarray:
    """(n, latent_dim) float32 array."""
    z = check_array(Z, dtype=np.float32, input_name="Z")
    if z.shape[1] != latent_dim:
        raise ValueError(f"Z has {z.shape[1]} columns but the model has {latent_dim} latents: give what transform gave")
    return z


def one_of(name: str, value, allowed: Sequence[str]):
    """Refuse a parameter that is none of those words."""
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")


def bfloat16(precision: str, device) -> bool:
    """Does a network compute in bf16 there? As the steps decide it."""
    from pydra_vae.training.tivae import native_bfloat16

    one_of("precision", precision, ("auto", "float32", "bfloat16"))
    return precision == "bfloat16" or (precision == "auto" and native_bfloat16(device))


def in_whole_blocks(function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, size: int) -> np.ndarray:
    """`function(x)`, row for row, with the last block filled up by copies of its last row.

    A product of one row is summed in another order than that of many, so without it a sample's result would depend on
    how many others are asked for with it.

    >>> in_whole_blocks(lambda block: block * len(block), np.ones((5, 1)), 4).ravel().tolist()
    [4.0, 4.0, 4.0, 4.0, 4.0]
    """
    whole = len(x) // size * size
    done = [function(x[:whole])] if whole else []
    if rest := len(x) - whole:
        filled = np.pad(x[whole:], ((0, size - rest), (0, 0)), mode="edge")
        done.append(function(filled)[:rest])
    return np.concatenate(done)


def chunks(n: int, size: int = SCORED) -> list[slice]:
    """Slices that cover n rows."""
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]


def squares(values: np.ndarray) -> float:
    """Sum of squares, in double precision."""
    return float(np.square(values, dtype=np.float64).sum())


def r_squared(error: float, total: float) -> float:
    """1 − error/total; where nothing varies, 1 or 0 as scikit-learn's `r2_score`.

    >>> r_squared(1, 4), r_squared(0, 0), r_squared(1, 0)
    (0.75, 1.0, 0.0)
    """
    if total == 0:
        return float(error == 0)
    return 1 - error / total
