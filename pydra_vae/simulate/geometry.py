"""The brain on which data are simulated: nilearn's bundled MNI152 template, and planted parcels.

nilearn ships the symmetric ICBM 2009a template (`space-MNI152NLin2009aSym`), so no download is
needed. Parcels are compact pieces of grey matter, mirrored between the hemispheres; each network
owns several parcels that lie apart, as the networks of Yeo and Schaefer do. They are *planted*: their
places mean nothing anatomically, and their names say so.
"""

from dataclasses import dataclass

import numpy as np
from nilearn.datasets import (
    load_mni152_brain_mask,
    load_mni152_gm_template,
    load_mni152_wm_template,
)
from scipy.ndimage import affine_transform, gaussian_filter
from sklearn.cluster import KMeans

SPACE = "MNI152NLin2009aSym"
N_NETWORKS = 17
TEMPLATE_MM = 2
GREY, WHITE = 0.2, 0.5  # tissue probability
FWHM_PER_SIGMA = np.sqrt(8 * np.log(2))


@dataclass(frozen=True)
class Geometry:
    """Where the voxels lie.

    Attributes
    ----------
    affine : (4, 4) float64 array
        Voxel indices to mm.
    brain : (I, J, K) bool array
        B voxels of it; all series have one row a brain voxel, in C order.
    grey, white : (B,) bool arrays
    coordinates_mm : (B, 3) float64 array
    parcel : (B,) int array
        1…P in grey matter, 0 elsewhere.
    network : (P + 1,) int array
        Network, 0…16, of each parcel; −1 for parcel 0.
    names : tuple of str
        Of the parcels, from parcel 1.
    """

    affine: np.ndarray
    brain: np.ndarray
    grey: np.ndarray
    white: np.ndarray
    coordinates_mm: np.ndarray
    parcel: np.ndarray
    network: np.ndarray
    names: tuple[str, ...]

    @property
    def voxel_mm(self) -> float:
        """Edge of a voxel."""
        return float(self.affine[0, 0])

    def volume(self, values: np.ndarray) -> np.ndarray:
        """(B,) or (B, n) values in the box, 0 outside the brain."""
        values = np.asarray(values)
        box = np.zeros((*self.brain.shape, *values.shape[1:]), dtype=values.dtype)
        box[self.brain] = values
        return box


def build_geometry(voxel_mm: float, parcels_per_network: int = 6, seed: int = 0) -> Geometry:
    """Template at a resolution, with planted parcels.

    Parameters
    ----------
    voxel_mm : float
    parcels_per_network : int
        Even: half of them lie in each hemisphere.
    seed : int
    """
    mask, affine = resampled(load_mni152_brain_mask, voxel_mm)
    brain = mask > 0.5
    tissue = [resampled(load, voxel_mm)[0][brain] for load in (load_mni152_gm_template, load_mni152_wm_template)]
    grey, white = tissue[0] > GREY, (tissue[1] > WHITE) & (tissue[0] <= GREY)
    coordinates = np.argwhere(brain) @ affine[:3, :3].T + affine[:3, 3]
    parcel, network, names = _plant_parcels(coordinates, grey, parcels_per_network // 2, seed)
    return Geometry(affine, brain, grey, white, coordinates, parcel, network, names)


def resampled(load, voxel_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """One of nilearn's templates on cubes of another size, interpolated linearly.

    Parameters
    ----------
    load : callable
        Such as `nilearn.datasets.load_mni152_gm_template`, which takes whole millimetres only.
    voxel_mm : float

    Returns
    -------
    values : (I, J, K) float32 array
    affine : (4, 4) float64 array
    """
    image = load(resolution=TEMPLATE_MM)
    factor = voxel_mm / TEMPLATE_MM
    shape = tuple(int(np.ceil(n / factor)) for n in image.shape)
    values = affine_transform(image.get_fdata(dtype=np.float32), np.full(3, factor), output_shape=shape, order=1)
    return values, image.affine @ np.diag([factor, factor, factor, 1])


def smooth_maps(geometry: Geometry, n: int, fwhm_mm: float, rng) -> np.ndarray:
    """Random maps of mean 0 and standard deviation 1 over the brain, smooth in space; (B, n)."""
    sigma = fwhm_mm / FWHM_PER_SIGMA / geometry.voxel_mm
    maps = np.empty((int(geometry.brain.sum()), n), dtype=np.float32)
    for column in range(n):
        noise = rng.standard_normal(geometry.brain.shape, dtype=np.float32)
        maps[:, column] = gaussian_filter(noise, sigma, truncate=3)[geometry.brain]
    return (maps - maps.mean(axis=0)) / maps.std(axis=0)


def _plant_parcels(coordinates, grey, per_hemisphere, seed):
    """Compact parcels of one hemisphere, mirrored; their networks."""
    mirrored = np.abs(coordinates[:, :1]), coordinates[:, 1:]
    folded = np.hstack(mirrored)[grey]
    n_parcels = N_NETWORKS * per_hemisphere
    centres = KMeans(n_parcels, n_init=1, max_iter=20, random_state=seed).fit(folded).cluster_centers_
    nearest = np.argmin(((folded[:, None] - centres) ** 2).sum(axis=2), axis=1)
    right = coordinates[grey, 0] >= 0
    network_of_centre = _spread_networks(centres, per_hemisphere, np.random.default_rng(seed))
    parcel = np.zeros(len(grey), dtype=int)
    parcel[grey] = 1 + nearest + n_parcels * right
    network = np.concatenate([[-1], network_of_centre, network_of_centre])
    counts, names = {}, []
    for index, owner in enumerate(network[1:]):
        hemisphere = "LH" if index < n_parcels else "RH"
        counts[hemisphere, owner] = counts.get((hemisphere, owner), 0) + 1
        number = counts[hemisphere, owner]
        names.append(f"17Networks_{hemisphere}_{network_name(owner)}_{number}")
    return parcel, network, tuple(names)


def network_name(network: int) -> str:
    """Name of a planted network, 0…16."""
    return f"Planted{network + 1:02d}"


def _spread_networks(centres, per_hemisphere, rng) -> np.ndarray:
    """Give each network parcels that lie apart: in turn, the free one farthest from its others."""
    owner = np.full(len(centres), -1)
    for _ in range(per_hemisphere):
        for network in rng.permutation(N_NETWORKS):
            free = np.flatnonzero(owner < 0)
            own = centres[owner == network]
            if len(own):
                gap = np.linalg.norm(centres[free][:, None] - own, axis=2).min(axis=1)
                owner[free[np.argmax(gap)]] = network
            else:
                owner[rng.choice(free)] = network
    return owner
