"""The VAE of images as a scikit-learn estimator; see `pydra_vae.estimators`."""

from collections.abc import Callable

import numpy as np
from numpy.random import RandomState

from pydra_vae._estimators_base import PARTS, VaeEstimator, bfloat16, in_whole_blocks


class VolumeVae(VaeEstimator):
    """Latents of brain images by a volumetric VAE (Vázquez-García et al. 2025).

    X is (n_images, n_voxels): **a sample is an image**, a feature a voxel of one mask, in C order, as a nilearn masker
    gives persons' maps, or the frames of a run. Where a person has several images, give `fit` their persons as
    `groups`, and `GridSearchCV` a `GroupKFold`.

    Parameters
    ----------
    latent_dim : int
        k, as `n_components` of a PCA.
    mask : (I, J, K) bool array
        Where the voxels lie (`masker.mask_img_.get_fdata() > 0`); the convolutions, SSIM and augmentation by shift or
        flip need it, the dense network does not.
    network : {"conv-dense", "conv", "dense"}
        conv-dense: convolutional encoder, dense decoder to the mask's voxels; conv: convolutions both ways; dense.
    width : int
        Channels of the first convolution, doubled twice; dense layers have 32 times as many units.
    reconstruction : {"mse", "dssim", "mse+dssim"}
        Gaussian likelihood with the best variance, structural dissimilarity in its place, or the mean of both.
    dssim, ssim_window : {"full", "half"}, int
        1 − SSIM or half of it; window in voxels.
    divergence : {"kl", "mmd", "none"}
    beta, mmd_weight : float
        Weights of KL and MMD; a KL of weight 1 is the evidence lower bound.
    free_bits : float
        Nats of each dimension's KL that cost nothing.
    n_samples : int
        Draws of the latents for each image and step.
    annealing, annealing_steps : {"none", "linear", "cyclical", "sigmoid"}, int
        How the weight of the divergence rises from 0, and over how many steps; 0 for two fifths of the training.
    augmentation : {"none", "noise", "shift", "flip", "mix"}
    left_right : int
        Axis of the mask that runs from left to right, for flips.
    max_steps, max_epochs : int, optional
        500 steps where neither is given; the smaller wins.
    batch_size, learning_rate : int, float
    patience : int, optional
        Epochs without a better validation before stopping.
    precision : {"auto", "float32", "bfloat16"}
        auto: bfloat16 where the device computes with it natively.
    validation_fraction, random_state, n_jobs, device, verbose, progress
        As in `CvaeDecomposition`; the fraction is one of images.

    Attributes
    ----------
    model_ : pydra_vae.models.volume_vae.VolumeVae
        On the CPU, in eval mode.
    mean_ : (n_voxels,) array
        Mean of the training images: the predictor that R² is against.
    precision_ : {"float32", "bfloat16"}
        That of the fit, and of `transform` after it.
    split_, history_, best_step_, n_steps_, n_features_in_
        As in `CvaeDecomposition`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = 1 + rng.normal(size=(120, 2)) @ rng.normal(size=(2, 60))
    >>> model = VolumeVae(2, mask=np.ones((3, 4, 5), bool), beta=0.1, max_steps=60, device="cpu")
    >>> model.fit(X[:100]).transform(X[100:]).shape, model.score(X[100:]) > 0.8
    ((20, 2), True)
    """

    _samples = "images"

    def __init__(
        self,
        latent_dim: int = 12,
        *,
        mask: np.ndarray | None = None,
        network: str = "conv-dense",
        width: int = 8,
        reconstruction: str = "mse",
        dssim: str = "full",
        ssim_window: int = 11,
        divergence: str = "kl",
        beta: float = 10.0,
        mmd_weight: float = 2000.0,
        free_bits: float = 0.0,
        n_samples: int = 1,
        annealing: str = "none",
        annealing_steps: int = 0,
        augmentation: str = "none",
        left_right: int = 0,
        max_steps: int | None = None,
        max_epochs: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 4e-3,
        patience: int | None = None,
        precision: str = "auto",
        validation_fraction: float = 0.1,
        random_state: int | RandomState | None = 0,
        n_jobs: int | None = None,
        device: str = "auto",
        verbose: bool | int = False,
        progress: Callable[..., None] | None = None,
    ):
        self.latent_dim = latent_dim
        self.mask = mask
        self.network = network
        self.width = width
        self.reconstruction = reconstruction
        self.dssim = dssim
        self.ssim_window = ssim_window
        self.divergence = divergence
        self.beta = beta
        self.mmd_weight = mmd_weight
        self.free_bits = free_bits
        self.n_samples = n_samples
        self.annealing = annealing
        self.annealing_steps = annealing_steps
        self.augmentation = augmentation
        self.left_right = left_right
        self.max_steps = max_steps
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.patience = patience
        self.precision = precision
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.verbose = verbose
        self.progress = progress

    def _learn(self, x, split, seed, options):
        from pydra_vae.models.volume_vae import VolumeVaeConfig
        from pydra_vae.training.volume_vae import VolumeProblem, fit_volumes, volume_recipe

        low, box = bfloat16(self.precision, options["device"]), self._box(x.shape[1])
        steps = ("max_steps", "max_epochs", "batch_size", "learning_rate", "patience")
        problem = VolumeProblem(
            x,
            [PARTS[code] for code in split],
            VolumeVaeConfig(box.shape, x.shape[1], self.latent_dim, self.network, self.width),
            box,
            loss=self._loss(),
            recipe=volume_recipe(**{name: getattr(self, name) for name in steps}),
            annealing=self.annealing,
            annealing_steps=self.annealing_steps,
            left_right=self.left_right,
            bfloat16=low,
            seed=seed,
        )
        model, done = fit_volumes(problem, **options)
        self.mean_, self.precision_ = model.mean.numpy().copy(), "bfloat16" if low else "float32"
        return model, done

    def _encode(self, x, device):
        from pydra_vae.training.volume_apply import BLOCK, encode

        low = self.precision_ == "bfloat16"
        return in_whole_blocks(lambda rows: encode(self.model_, rows, device, low)[0], x, BLOCK)

    def _decode(self, z, device):
        from pydra_vae.training.volume_apply import BLOCK, decode

        low = self.precision_ == "bfloat16"
        return in_whole_blocks(lambda rows: decode(self.model_, rows, device, low), z, BLOCK)

    def _loss(self):
        from pydra_vae.training.volume_loss import VolumeLoss

        names = ("reconstruction", "dssim", "ssim_window", "divergence", "beta", "mmd_weight", "free_bits")
        options = {name: getattr(self, name) for name in (*names, "n_samples", "augmentation")}
        return VolumeLoss(**options)

    def _box(self, n_voxels: int) -> np.ndarray:
        """The mask within its bounding box; voxels in a line where no part of the model asks where they lie."""
        if self.mask is None:
            if self.network != "dense" or "dssim" in self.reconstruction or self.augmentation in ("shift", "flip"):
                raise ValueError(
                    "mask is None, but convolutions, SSIM, shifts and flips need to know where voxels lie: give mask, "
                    "a boolean array of three dimensions, or use network='dense' with the mean squared error"
                )
            return np.ones((n_voxels, 1, 1), dtype=bool)
        mask = np.asarray(self.mask)
        if mask.dtype.kind not in "biuf":
            raise ValueError(
                f"mask is a {type(self.mask).__name__}: give its array, as masker.mask_img_.get_fdata() > 0"
            )
        mask = mask > 0
        if mask.ndim != 3 or mask.sum() != n_voxels:
            raise ValueError(
                f"mask has shape {mask.shape} and {mask.sum()} voxels, but X has {n_voxels} columns: give the mask, "
                "of three dimensions, whose voxels they are"
            )
        return np.ascontiguousarray(mask[tuple(slice(where.min(), where.max() + 1) for where in np.nonzero(mask))])
