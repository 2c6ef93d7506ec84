"""TI-VAE of recordings as a scikit-learn estimator; see `pydra_vae.estimators`."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.random import RandomState
from sklearn.utils import check_array

from pydra_vae._estimators_base import PARTS, VaeEstimator, bfloat16, check_latents, one_of, squares


class TiVaeDecomposition(VaeEstimator, auto_wrap_output_keys=None):
    """Factors of recordings on the cortical surface by the temporally independent VAE (TI-VAE), or a β-VAE.

    X is a list of (n_frames, n_vertices) arrays, or one (n_recordings, n_frames, n_vertices) array: **a sample is a
    recording**, since the encoder reads a frame after those before it; a fold of `GridSearchCV` holds whole recordings.
    A recording is what a masker of nilearn gives for a run. All have as many frames for `fit`, any number for
    `transform`, which gives a list for a list, an array for an array. Filter and z-score every vertex first: the model
    knows no mean. Where a person has several recordings, give `fit` their persons as `groups`.

    Parameters
    ----------
    latent_dim : int
        k, factors.
    kind : {"tivae", "beta-vae"}
        tivae: reconstruction + KL + beta times the total correlation over time; beta-vae: reconstruction + beta times
        the KL.
    beta : float
        Weight of the total correlation, of the KL in a β-VAE.
    network : {"mixer", "linear"}
        mixer: weights shared over clusters, features and hemispheres; linear: the paper's baseline, needs no clusters.
    clusters : (n_vertices,) int array
        Of each vertex within its hemisphere, from 0, left hemisphere first (`pydra_vae.surface.spectral`); needed by
        the mixer.
    n_left : int, optional
        Vertices of the left hemisphere, which come first; half of all where None.
    share_hemispheres : bool
        Both hemispheres share their mixers.
    input_layer : {"per-hemisphere", "shared"}
    temporal_decoder : bool
        A second causal GRU before the factors.
    recurrent_l2 : float
        Weight of the squared norm of its hidden-to-hidden weights.
    recipe : {"fast", "paper"}
        fast: 400 steps of four crops of 96 frames, one-cycle up to 3e-3; paper: whole recordings, 150 epochs.
    initialisation : {"lsuv", "orthogonal", "pytorch"}
    max_steps, max_epochs, batch_size, crop, learning_rate : optional
        The recipe's own where None; a crop in frames.
    precision : {"auto", "float32", "bfloat16"}
        auto: bfloat16 where the device computes with it natively.
    validation_fraction, random_state, n_jobs, device, verbose, progress
        As in `CvaeDecomposition`; the fraction is one of recordings.

    Attributes
    ----------
    model_ : pydra_vae.models.tivae.TiVae
        On the CPU, in eval mode.
    precision_ : {"float32", "bfloat16"}
        That of the fit, and of `transform` after it.
    split_, history_, best_step_, n_steps_
        As in `CvaeDecomposition`.
    n_features_in_ : int
        Vertices.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(6, 40, 10))  # recordings × frames × vertices
    >>> model = TiVaeDecomposition(3, network="linear", max_steps=5, device="cpu").fit(X)
    >>> model.transform(X[:2]).shape, model.inverse_transform(model.transform(X[:2])).shape
    ((2, 40, 3), (2, 40, 10))
    """

    _samples, _fewest = "recordings", 1

    def __init__(
        self,
        latent_dim: int = 8,
        *,
        kind: str = "tivae",
        beta: float = 1.0,
        network: str = "mixer",
        clusters: np.ndarray | None = None,
        n_left: int | None = None,
        share_hemispheres: bool = True,
        input_layer: str = "per-hemisphere",
        temporal_decoder: bool = False,
        recurrent_l2: float = 0.0,
        recipe: str = "fast",
        initialisation: str = "lsuv",
        max_steps: int | None = None,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        crop: int | None = None,
        learning_rate: float | None = None,
        precision: str = "auto",
        validation_fraction: float = 0.1,
        random_state: int | RandomState | None = 0,
        n_jobs: int | None = None,
        device: str = "auto",
        verbose: bool | int = False,
        progress: Callable[..., None] | None = None,
    ):
        self.latent_dim = latent_dim
        self.kind = kind
        self.beta = beta
        self.network = network
        self.clusters = clusters
        self.n_left = n_left
        self.share_hemispheres = share_hemispheres
        self.input_layer = input_layer
        self.temporal_decoder = temporal_decoder
        self.recurrent_l2 = recurrent_l2
        self.recipe = recipe
        self.initialisation = initialisation
        self.max_steps = max_steps
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.crop = crop
        self.learning_rate = learning_rate
        self.precision = precision
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.verbose = verbose
        self.progress = progress

    def transform(self, X):
        """Factors of recordings: the means μ of q(z_t | x_≤t).

        Parameters
        ----------
        X : list of (n_frames, n_vertices) arrays, or an array of them

        Returns
        -------
        Z : list of (n_frames, latent_dim) float32 arrays, or an array of them
        """
        return _alike(X, super().transform(X))

    def inverse_transform(self, Z):
        """Recordings as the model reconstructs them from factors.

        Parameters
        ----------
        Z : list of (n_frames, latent_dim) arrays, or an array of them

        Returns
        -------
        X : list of (n_frames, n_vertices) float32 arrays, or an array of them
        """
        return _alike(Z, super().inverse_transform(Z))

    def score(self, X, y=None) -> float:
        """R² of the reconstruction of recordings, against each vertex's own mean over the recording.

        Parameters
        ----------
        X : list of (n_frames, n_vertices) arrays, or an array of them
        y : ignored

        Returns
        -------
        r2 : float
        """
        return super().score(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        return tags

    def _checked(self, X, reset):
        arrays = _recordings(X, "X")
        if reset:
            self.n_features_in_ = arrays[0].shape[1]
            if len(arrays) < 2 * self._fewest:
                raise ValueError("X has 1 recording: at least one to train on and one to choose the weights are needed")
        for number, array in enumerate(arrays, 1):
            if array.shape[1] != self.n_features_in_:
                raise ValueError(
                    f"recording {number} of X has {array.shape[1]} vertices, but {type(self).__name__} is expecting "
                    f"{self.n_features_in_} features as input: give recordings (frames × vertices) of one region"
                )
        return arrays

    def _learn(self, x, split, seed, options):
        from pydra_vae.training.tivae import CROPS, RAMPS, TiVaeLoss, TiVaeProblem, fit_tivae, tivae_recipe

        low = bfloat16(self.precision, options["device"])
        config, clusters = self._shapes()
        steps = ("max_steps", "max_epochs", "batch_size", "learning_rate")
        problem = TiVaeProblem(
            x,
            [PARTS[code] for code in split],
            config,
            clusters,
            loss=TiVaeLoss(self.kind, self.beta, self.recurrent_l2),
            recipe=tivae_recipe(self.recipe, **{name: getattr(self, name) for name in steps}),
            crop=self.crop or CROPS[self.recipe],
            ramp=RAMPS[self.recipe],
            initialisation=self.initialisation,
            bfloat16=low,
            seed=seed,
        )
        self.precision_ = "bfloat16" if low else "float32"
        return fit_tivae(problem, **options)

    def _shapes(self):
        """The model's configuration, and the clusters of the vertices (None in a linear network)."""
        from pydra_vae.models.tivae import TiVaeConfig

        one_of("network", self.network, ("mixer", "linear"))
        n_vertices = self.n_features_in_
        left = n_vertices // 2 if self.n_left is None else self.n_left
        names = ("latent_dim", "network", "input_layer", "share_hemispheres", "temporal_decoder")
        options = {name: getattr(self, name) for name in names}
        if self.network == "linear":
            return TiVaeConfig(left, n_vertices - left, 0, 0, **options), None
        clusters = self._clusters(left)
        sizes = [np.bincount(half) for half in (clusters[:left], clusters[left:])]
        n_clusters, largest = max(map(len, sizes)), max(int(size.max()) for size in sizes)
        return TiVaeConfig(left, n_vertices - left, n_clusters, largest, **options), clusters

    def _clusters(self, left: int) -> np.ndarray:
        if self.clusters is None:
            raise ValueError(
                "the mixer needs the cluster of every vertex: give clusters, e.g. of pydra_vae.surface.spectral, or "
                "use network='linear'"
            )
        clusters, n = np.asarray(self.clusters), self.n_features_in_
        if clusters.shape != (n,) or clusters.dtype.kind not in "iu" or clusters.min() < 0:
            raise ValueError(
                f"clusters has shape {clusters.shape} and type {clusters.dtype}: one whole number from 0 is needed for "
                f"each of the {n} vertices"
            )
        if not 0 < left < n:
            raise ValueError(f"n_left is {left} of {n} vertices: both hemispheres need some")
        return clusters

    def _encode(self, x, device):
        from pydra_vae.training.tivae_apply import encode

        return [mu for mu, _ in encode(self.model_, x, device, self.precision_ == "bfloat16")]

    def _decode(self, z, device):
        from pydra_vae.training.tivae_apply import decode

        return list(decode(self.model_, z, device, self.precision_ == "bfloat16"))

    def _latents(self, Z):
        return [check_latents(z, self._n_features_out) for z in _recordings(Z, "Z")]

    def _errors(self, x, device):
        reconstructions = self._decode(self._encode(x, device), device)
        error = sum(squares(own - other) for own, other in zip(x, reconstructions, strict=True))
        return error, sum(squares(own - own.mean(0, dtype=np.float64)) for own in x)


def _recordings(X: Sequence, name: str) -> list[np.ndarray]:
    """Each recording as a (T, n) float32 array; a memory map stays one."""
    if getattr(X, "ndim", 3) != 3 or not hasattr(X, "__len__") or any(np.ndim(array) != 2 for array in X):
        raise ValueError(
            f"{name} is no list of recordings, frames × columns each, nor an array of three dimensions: a single "
            f"recording is [{name}]"
        )
    if not len(X):
        raise ValueError(f"{name} has no recordings")
    return [check_array(array, dtype=np.float32, input_name=f"recording {i}") for i, array in enumerate(X, 1)]


def _alike(given: Sequence, arrays: list[np.ndarray]):
    """One array where one was given, else the list."""
    return np.stack(arrays) if isinstance(given, np.ndarray) else arrays
