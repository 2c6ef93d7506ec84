"""The CVAE of single time series as a scikit-learn estimator; see `pydra_vae.estimators`."""

from collections.abc import Callable

import numpy as np
from numpy.random import RandomState

from pydra_vae._estimators_base import VaeEstimator, in_whole_blocks, one_of, squares


class CvaeDecomposition(VaeEstimator):
    """Latents of time series by a convolutional VAE (Singla, Bazin and Scherf 2025).

    X is (n_voxels, n_frames): **a sample is a voxel**, a feature a frame. nilearn's maskers give time × voxels, so
    transpose: `X = masker.fit_transform(bold).T`. Scale each voxel first (`standardize="zscore_sample"` in the masker):
    the error that is minimised is in the units of X, else R² tells of the voxels' means. The model fits series
    of these frames, so it applies to other voxels of the same run, or of other subjects who saw the same film, but not
    to other frames.

    Neighbouring voxels share signal: for a test that they do not leak into, give `fit` a split in blocks or parcels
    (`pydra_vae.stats.splits.split_voxels`), and `GridSearchCV` a `GroupKFold` over blocks.

    Parameters
    ----------
    latent_dim : int
        D, as `n_components` of a PCA; 9 in the paper.
    network : {"lk", "paper", "dense"}
        lk: eight convolutions, the first one long; paper: the paper's numbers of layers; both need 32 frames. dense:
        fully connected, any number of frames.
    linear_skip : {"none", "pca"}
        pca: a linear path that starts as PCA of the same size stands beside the network.
    mixing : float
        Share of training series replaced by mixtures of two, an augmentation.
    recipe : {"fast", "paper"}
        fast: one-cycle learning rate over a fixed number of steps; paper: Adam at 1e-3, patience of 100 epochs.
    max_steps, max_epochs, batch_size, learning_rate, patience : optional
        The recipe's own where None. The smaller of steps and epochs wins.
    kl_weight : float
        Weight of the KL divergence in nats beside the mean squared error; 0 as in the paper.
    beta, noise_variance : float, optional
        Weight of the KL on the evidence lower bound in place of kl_weight = 2 β σ²/T; σ² is the error of PCA of the
        same size on the validation voxels where it is not given.
    mmd_weight : float
        Weight of InfoVAE's distance between the latents of a batch and the prior.
    annealing, kl_annealing_steps : {"linear", "cyclical", "sigmoid"}, int
        How, and over how many steps, the weights of KL and MMD rise from 0.
    sample_latent : bool
        Sample z although the KL weight is 0.
    frame_weights : (n_frames,) array, optional
        0 leaves a frame, e.g. a censored one, out of the error and the score.
    validation_fraction : float
        Share of the voxels that choose the weights, unless `fit` is given a split.
    random_state : int, RandomState or None
        Of split, weights, batches and sampling. An integer is the steps' `seed`; the same one gives the same result.
    n_jobs : int, optional
        CPU threads, 1 where None; sums depend on their number, so it is part of the result.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    verbose : bool or int
        Show a progress bar.
    progress : callable, optional
        Called as progress(step=, steps=, epoch=, loss=, best=); loss is absent before the second validation.

    Attributes
    ----------
    model_ : pydra_vae.models.cvae.Cvae
        On the CPU, in eval mode.
    mean_ : (n_frames,) array
        Mean series of the training voxels: the predictor that R² is against.
    split_ : (n_voxels,) int8 array
        0 trained, 1 validated, 2 left alone.
    history_ : list of dict
        One row a validation, from step 0: step, epoch, lr, losses, train_mse, val_mse, best.
    best_step_, n_steps_ : int
    n_features_in_ : int
        Frames.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 2)) @ rng.normal(size=(2, 40))
    >>> model = CvaeDecomposition(latent_dim=2, network="dense", max_steps=30, device="cpu").fit(X[:150])
    >>> model.transform(X[150:]).shape, model.score(X[150:]) > 0.8
    ((50, 2), True)
    """

    _samples = "voxels"

    def __init__(
        self,
        latent_dim: int = 9,
        *,
        network: str = "lk",
        linear_skip: str = "none",
        mixing: float = 0.0,
        recipe: str = "fast",
        max_steps: int | None = None,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        kl_weight: float = 0.0,
        beta: float | None = None,
        noise_variance: float | None = None,
        mmd_weight: float = 0.0,
        annealing: str = "linear",
        kl_annealing_steps: int = 0,
        sample_latent: bool = False,
        frame_weights: np.ndarray | None = None,
        validation_fraction: float = 0.1,
        random_state: int | RandomState | None = 0,
        n_jobs: int | None = None,
        device: str = "auto",
        verbose: bool | int = False,
        progress: Callable[..., None] | None = None,
    ):
        self.latent_dim = latent_dim
        self.network = network
        self.linear_skip = linear_skip
        self.mixing = mixing
        self.recipe = recipe
        self.max_steps = max_steps
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.kl_weight = kl_weight
        self.beta = beta
        self.noise_variance = noise_variance
        self.mmd_weight = mmd_weight
        self.annealing = annealing
        self.kl_annealing_steps = kl_annealing_steps
        self.sample_latent = sample_latent
        self.frame_weights = frame_weights
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.verbose = verbose
        self.progress = progress

    def _learn(self, x, split, seed, options):
        from pydra_vae.training.cvae import FAST_STEPS, CvaeLoss, cvae_recipe, fit_cvae

        one_of("network", self.network, FAST_STEPS)
        one_of("linear_skip", self.linear_skip, ("none", "pca"))
        steps = ("max_steps", "max_epochs", "batch_size", "learning_rate", "patience")
        recipe = cvae_recipe(
            self.recipe, self.network, self.linear_skip, **{name: getattr(self, name) for name in steps}
        )
        used, pca = self._used(x.shape[1]), self._pca(x, split)
        loss = CvaeLoss(used, self.mixing, self._kl_weight(x, split, pca), self.sample_latent, self.mmd_weight)
        self.mean_ = x.mean(0, dtype=np.float64, where=(split == 0)[:, None])
        return fit_cvae(
            x,
            split,
            latent_dim=self.latent_dim,
            network=self.network,
            components=pca.components if self.linear_skip == "pca" else None,
            loss=loss,
            recipe=recipe,
            ramp_steps=self.kl_annealing_steps,
            annealing=self.annealing,
            seed=seed,
            **options,
        )

    def _encode(self, x, device):
        from pydra_vae.training.apply import CHUNK, encode

        def latents(rows):
            return np.concatenate([mu for _, mu, _ in encode(self.model_, rows, device)])

        return in_whole_blocks(latents, x, CHUNK)

    def _decode(self, z, device):
        from pydra_vae.training.apply import CHUNK, decode

        def series(rows):
            return np.concatenate([block for _, block in decode(self.model_, rows, device)])

        return in_whole_blocks(series, z, CHUNK)

    def _errors(self, x, device):
        reconstruction, used = self._decode(self._encode(x, device), device), self._used(x.shape[1])
        return squares((x - reconstruction)[:, used]), squares((x - self.mean_)[:, used])

    def _used(self, n_frames: int) -> np.ndarray:
        """Which frames count, (T,) bool."""
        from pydra_vae.stats.chunks import frame_weights

        return frame_weights(self.frame_weights, n_frames)

    def _pca(self, x, split):
        """Of the training voxels, where the skip or β needs one."""
        from pydra_vae.stats.pca import fit_pca

        if self.linear_skip != "pca" and (self.beta is None or self.noise_variance is not None):
            return None
        return fit_pca(x, self.latent_dim, self._used(x.shape[1]), rows=split == 0)

    def _kl_weight(self, x, split, pca) -> float:
        """Weight of the KL beside the mean squared error, as FitCvae takes it from β."""
        from pydra_vae.models.losses import kl_weight_of
        from pydra_vae.stats.reconstruction import compare

        if self.beta is None:
            return self.kl_weight
        if self.kl_weight:
            raise ValueError(
                f"beta ({self.beta:g}) and kl_weight ({self.kl_weight:g}) both set the weight of the KL: give one"
            )
        variance, used = self.noise_variance, self._used(x.shape[1])
        if variance is None:
            variance = compare(x[split == 1], {"": pca.reconstruct}, used)[""].mse()
        return kl_weight_of(self.beta, variance, int(used.sum()))
