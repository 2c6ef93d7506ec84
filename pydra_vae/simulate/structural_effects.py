"""What changes a simulated grey-matter image: shared modes of nuisance, and three planted effects of disease.

An image is the template, warped and modulated. With x a place in mm, u a displacement and m a factor on the tissue,

    image(x) = m(x) · template((x − centre) / scale + centre + u(x)) + noise(x)

The *rank of the nuisance* decides what a model of few latents can learn: with smooth variation of full rank no
nonlinear model beats principal components, so persons differ along a few shared modes. Planted are wider ventricles (a
radial warp, which no sum of fixed maps makes) and loss of tissue around the hippocampi and in the temporal lobes, each
a sigmoid of its factor. Centres and widths are round numbers in mm of the MNI152 template, mirrored between the sides;
they are *like* those regions and no delineation of them.
"""

from dataclasses import dataclass

import numpy as np
from nilearn.datasets import load_mni152_brain_mask, load_mni152_gm_template
from scipy.ndimage import gaussian_filter, map_coordinates

from pydra_vae.simulate.geometry import FWHM_PER_SIGMA, TEMPLATE_MM

MODE_FWHM_MM = 80.0
N_DEFORMATIONS, N_MODULATIONS = 3, 2
DEFORMATION_MM, MODULATION = 1.0, 0.03  # standard deviation of a mode over the brain
SMOOTHING = 0.4  # of the template, standard deviation in edges of a voxel: less would alias
BIAS_FIELD = 0.02  # of a site, standard deviation over the brain
STEEPNESS = 1.5  # of the sigmoid of a planted factor

# Centre of the right side and standard deviations, in mm (x, y, z).
HIPPOCAMPUS = ((27.0, -20.0, -14.0), (18.0, 24.0, 17.0))
TEMPORAL = ((58.0, -4.0, -28.0), (18.0, 26.0, 18.0))
VENTRICLE_CENTRE, VENTRICLE_SD = (14.0, -12.0, 16.0), 27.0
HIPPOCAMPUS_LOSS, TEMPORAL_LOSS, VENTRICLE_MM = 0.90, 0.65, 14.0


@dataclass(frozen=True)
class Anatomy:
    """The template, the grid on which images are sampled, and what all images share.

    Attributes
    ----------
    affine : (4, 4) float64 array
        Voxel indices of the images' grid to mm.
    brain : (I, J, K) bool array
    points : (n, 3) float64 array
        Places of the grid's voxels in mm, C order.
    template : (A, B, C) float32 array
        Grey-matter probability at 2 mm, smoothed.
    to_template : (4, 4) float64 array
        Millimetres to voxel indices of the template.
    deformations : (3, n, 3) float64 array
        Displacement of each mode, in mm.
    modulations : (2, n) float64 array
    bias : (3, n) float64 array
        Field of each site.
    loss : (2, n) float64 array
        Where hippocampus-like and temporal tissue is lost, 0 to 1.
    ventricles : (n, 3) float64 array
        Displacement in mm where ventricles are as wide as can be.
    """

    affine: np.ndarray
    brain: np.ndarray
    points: np.ndarray
    template: np.ndarray
    to_template: np.ndarray
    deformations: np.ndarray
    modulations: np.ndarray
    bias: np.ndarray
    loss: np.ndarray
    ventricles: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along i, j, k."""
        return self.brain.shape


def build_anatomy(voxel_mm: float, seed: int = 0, n_sites: int = 3) -> Anatomy:
    """Template and shared modes on a grid of cubes around the brain.

    Parameters
    ----------
    voxel_mm : float
    seed : int
        Of the modes.
    n_sites : int
    """
    rng = np.random.default_rng([seed, 1])
    image, mask = load_mni152_gm_template(resolution=TEMPLATE_MM), load_mni152_brain_mask(resolution=TEMPLATE_MM)
    affine, brain = _box(mask, voxel_mm)
    points = np.indices(brain.shape).reshape(3, -1).T @ affine[:3, :3].T + affine[:3, 3]
    template = gaussian_filter(image.get_fdata(dtype=np.float32), SMOOTHING * voxel_mm / TEMPLATE_MM)
    fields = _modes(3 * N_DEFORMATIONS + N_MODULATIONS + n_sites, brain, voxel_mm, rng)
    deformations, modulations, bias = np.split(fields, [3 * N_DEFORMATIONS, 3 * N_DEFORMATIONS + N_MODULATIONS])[0:3]
    return Anatomy(
        affine,
        brain,
        points,
        template,
        np.linalg.inv(image.affine),
        DEFORMATION_MM * deformations.reshape(N_DEFORMATIONS, 3, -1).transpose(0, 2, 1),
        MODULATION * modulations,
        BIAS_FIELD * bias,
        np.array([_both_sides(points, *HIPPOCAMPUS), _both_sides(points, *TEMPORAL)]),
        widening(points),
    )


def severity(factor) -> np.ndarray:
    """How far an effect has gone, 0 to 1, of a factor that is about standard normal.

    Examples
    --------
    >>> severity(np.array([-2.0, 0.0, 2.0])).round(2).tolist()
    [0.05, 0.5, 0.95]
    """
    return 1 / (1 + np.exp(-STEEPNESS * np.asarray(factor, dtype=np.float64)))


def widening(points: np.ndarray) -> np.ndarray:
    """Displacement that widens both ventricles: towards their centres, where the tissue now seen came from.

    Its length is `VENTRICLE_MM` at one standard deviation from the centre, and the map never folds, since
    `VENTRICLE_MM` · √e is less than the standard deviation.

    Parameters
    ----------
    points : (n, 3) array
        In mm.
    """
    side = np.where(points[:, :1] < 0, -1.0, 1.0)
    # Both sides are made on the right, which leaves the midline in place.
    folded = np.abs(points[:, :1]), points[:, 1:]
    away = (np.hstack(folded) - VENTRICLE_CENTRE) / VENTRICLE_SD
    away[:, 0] *= np.minimum(folded[0][:, 0] / VENTRICLE_CENTRE[0], 1)
    towards = -VENTRICLE_MM * away * np.exp(0.5 - (away**2).sum(axis=1, keepdims=True) / 2)
    return np.hstack([side * towards[:, :1], towards[:, 1:]])


def make_image(anatomy: Anatomy, ventricles, hippocampus, temporal, shift, scale, factor, noise) -> np.ndarray:
    """One image.

    Parameters
    ----------
    anatomy : Anatomy
    ventricles, hippocampus, temporal : float
        Planted factors; 0 is the middle of the sigmoid.
    shift : (n, 3) array
        Further displacement in mm.
    scale : float
        Of the head.
    factor : (n,) array
        On the tissue.
    noise : (n,) array
        Added within the brain.

    Returns
    -------
    image : (I, J, K) float32 array
        Grey-matter probability, 0 to 1.
    """
    places = anatomy.points / scale + shift + severity(ventricles) * anatomy.ventricles
    places = places @ anatomy.to_template[:3, :3].T + anatomy.to_template[:3, 3]
    image = map_coordinates(anatomy.template, places.T, order=1) * factor
    for share, loss, planted in zip(
        (HIPPOCAMPUS_LOSS, TEMPORAL_LOSS), anatomy.loss, (hippocampus, temporal), strict=True
    ):
        image *= 1 - share * severity(planted) * loss
    image = np.clip(image + noise, 0, 1) * anatomy.brain.reshape(-1)
    return image.reshape(anatomy.shape).astype(np.float32)


def _box(mask, voxel_mm) -> tuple[np.ndarray, np.ndarray]:
    """Grid around the brain, its corner at a multiple of the edge; the brain on it."""
    inside = np.asarray(mask.dataobj) > 0
    places = np.argwhere(inside) @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    first, last = (np.floor(places.min(axis=0) / voxel_mm), np.ceil(places.max(axis=0) / voxel_mm))
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = first * voxel_mm
    shape = tuple(int(n) for n in last - first + 1)
    to_mask = np.linalg.inv(mask.affine) @ affine
    grid = np.indices(shape).reshape(3, -1)
    values = map_coordinates(inside.astype(np.float32), to_mask[:3, :3] @ grid + to_mask[:3, 3:], order=1)
    return affine, (values > 0.5).reshape(shape)


def _modes(n, brain, voxel_mm, rng) -> np.ndarray:
    """Smooth random maps, mean 0 and standard deviation 1 over the brain, (n, voxels)."""
    sigma = MODE_FWHM_MM / FWHM_PER_SIGMA / voxel_mm
    maps = np.array([gaussian_filter(rng.standard_normal(brain.shape), sigma, mode="wrap") for _ in range(n)])
    inside = maps[:, brain]
    maps = (maps.reshape(n, -1) - inside.mean(axis=1, keepdims=True)) / inside.std(axis=1, keepdims=True)
    return np.clip(maps, -3, 3)  # outside the brain they may be larger


def _both_sides(points, centre, sd) -> np.ndarray:
    """A Gaussian of height 1 in each hemisphere, (n,)."""
    folded = np.hstack([np.abs(points[:, :1]), points[:, 1:]])
    return np.exp(-((((folded - centre) / sd) ** 2).sum(axis=1)) / 2)
