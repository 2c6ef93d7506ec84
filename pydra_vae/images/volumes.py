"""From 4-D images to voxels × time and back, one volume at a time.

A 2 mm run of 1,310 frames holds 5.7 GB as float32; its grey matter, 0.7 GB. So volumes are read from
the (gzipped) stream one after the other, only the mask's voxels are kept, and images are written the
same way. Voxels are always in C order of the mask, `np.nonzero(mask)`, as in nilearn's `apply_mask`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib
from scipy.ndimage import gaussian_filter1d

from pydra_vae.images.headers import Header, check_same_grid, load_image, read_header
from pydra_vae.images.streams import reading, writing

BLOCK = 32  # volumes moved together, so that voxels × time is filled in runs of 128 bytes
FWHM_PER_SIGMA = np.sqrt(8 * np.log(2))


def iter_volumes(path: Path) -> Iterator[np.ndarray]:
    """Read one volume after another, as stored: no scaling, the file's own type and byte order.

    Yields
    ------
    volume : (I·J·K,) array
        Voxels in Fortran order, as NIfTI stores them; valid until the next one.

    Raises
    ------
    ValueError
        If the file ends before its last volume, or its gzip stream is damaged.
    """
    image = load_image(path)
    proxy = image.dataobj
    if proxy.dtype.kind not in "iuf":
        raise ValueError(f"{path} holds {proxy.dtype} values: integers or floating-point numbers are needed")
    n_voxels = int(np.prod(image.shape[:3]))
    n_frames = int(np.prod(image.shape[3:]))
    volume = np.empty(n_voxels, proxy.dtype)
    data = image.file_map["image"].filename or path  # a .hdr/.img pair keeps its data apart
    t = 0
    try:
        with reading(data) as stream:
            stream.seek(int(proxy.offset))
            for t in range(n_frames):  # noqa: B007 (named in the error)
                _fill(stream, memoryview(volume.view(np.uint8)))
                yield volume
            stream.read(1)  # the end of a gzip stream carries its checksum
    except (EOFError, isal_zlib.error, igzip.BadGzipFile) as error:
        raise ValueError(
            f"{path} is truncated or damaged: volume {t + 1} of {n_frames} cannot be read ({error}); "
            "copy or download it again"
        ) from error


def _fill(stream, buffer: memoryview) -> None:
    filled = 0
    while filled < len(buffer):
        n = stream.readinto(buffer[filled:])
        if not n:
            raise EOFError(f"{len(buffer) - filled} bytes are missing")
        filled += n


def flat_indices(mask: np.ndarray) -> np.ndarray:
    """Where the mask's voxels (in C order of the mask) lie in a volume stored in Fortran order."""
    return np.ravel_multi_index(np.nonzero(mask), mask.shape, order="F")


def extract(bold: Path, mask: np.ndarray, smoothing_fwhm: float | None = None) -> np.ndarray:
    """Read a 4-D image's series inside a mask.

    Parameters
    ----------
    bold : Path
        4-D NIfTI image, .nii or .nii.gz, of any numeric type, scaled or not.
    mask : (I, J, K) bool array
        On the image's grid.
    smoothing_fwhm : float, optional
        Full width at half maximum of a Gaussian, in mm, over the whole image before masking, as
        nilearn's. Voxels that are not finite count as 0 for their neighbours and stay as they are.

    Returns
    -------
    series : (V, T) float32 array
        In scanner units, C order; memory beyond it is that of some volumes.

    Raises
    ------
    ValueError
        If mask and image have other shapes, the mask is empty, or the file is damaged.
    """
    header = read_header(bold)
    mask = np.asarray(mask, bool)
    if mask.shape != header.shape:
        raise ValueError(f"the mask has the shape {mask.shape}, but {bold} {header.shape}: resample one of them")
    indices = flat_indices(mask)
    if not len(indices):
        raise ValueError(f"the mask for {bold} has no voxel")
    slope, inter = _scaling(load_image(bold))
    sigmas = None
    if smoothing_fwhm:
        sigmas = smoothing_fwhm / (FWHM_PER_SIGMA * header.voxel_sizes)
    series = np.empty((len(indices), header.n_frames), np.float32)
    block = np.empty((BLOCK, len(indices)), np.float32)
    for t, volume in enumerate(iter_volumes(bold)):
        row = block[t % BLOCK]
        if sigmas is None:
            row[:] = _scaled(volume[indices], slope, inter)
        else:
            row[:] = _smoothed(_scaled(volume, slope, inter), header.shape, sigmas)[indices]
        if (t + 1) % BLOCK == 0 or t + 1 == header.n_frames:
            first = t - t % BLOCK
            series[:, first : t + 1] = block[: t + 1 - first].T
    return series


def _scaling(image: nib.Nifti1Image) -> tuple[float, float]:
    return float(image.dataobj.slope), float(image.dataobj.inter)


def _scaled(values: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """Stored values to scanner units; in float64, because float32 loses the digits of large integers."""
    if slope == 1 and inter == 0:
        return values
    return values.astype(np.float64) * slope + inter


def _smoothed(flat: np.ndarray, shape: tuple[int, ...], sigmas: np.ndarray) -> np.ndarray:
    volume = flat.astype(np.float32).reshape(shape, order="F")
    holes = ~np.isfinite(volume)
    kept = volume[holes]
    volume[holes] = 0
    for axis, sigma in enumerate(sigmas):
        gaussian_filter1d(volume, sigma, axis=axis, output=volume)
    volume[holes] = kept
    return volume.ravel(order="F")


def load_mask(path: Path, like: Header | None = None) -> np.ndarray:
    """Read a 3-D mask: every voxel that is neither 0 nor NaN.

    Parameters
    ----------
    path : Path
        3-D image, or 4-D with one volume.
    like : Header, optional
        Raise ValueError unless the mask lies on this image's grid.

    Returns
    -------
    mask : (I, J, K) bool array
    """
    values, header = load_volume(path)
    if like is not None:
        check_same_grid(header, like, "mask")
    mask = np.isfinite(values) & (values != 0)
    if not mask.any():
        raise ValueError(f"the mask {path} has no voxel")
    return mask


def load_volume(path: Path) -> tuple[np.ndarray, Header]:
    """Read a 3-D image in its units, as an (I, J, K) array, with its header."""
    header = read_header(path)
    if header.n_frames != 1:
        raise ValueError(f"{path} has {header.n_frames} volumes: one is needed")
    slope, inter = _scaling(load_image(path))
    (volume,) = (np.array(v) for v in iter_volumes(path))
    return _scaled(volume, slope, inter).reshape(header.shape, order="F"), header


def unmask(values: np.ndarray, mask: np.ndarray, fill: float = 0) -> np.ndarray:
    """Put values back where the mask's voxels lie.

    Parameters
    ----------
    values : (V,) or (V, T) array
    mask : (I, J, K) bool array
    fill : float
        Value of the voxels outside.

    Returns
    -------
    image : (I, J, K) or (I, J, K, T) array
    """
    mask = np.asarray(mask, bool)
    values = np.asarray(values)
    if len(values) != np.count_nonzero(mask):
        raise ValueError(
            f"the mask has {np.count_nonzero(mask)} voxels but there are values for {len(values)}: "
            "do both belong to the same run of the workflow?"
        )
    image = np.full(mask.shape + values.shape[1:], fill, values.dtype)
    image[mask] = values
    return image


def save_nifti(path: Path, array: np.ndarray, like: Header, t_r: float | None = None, intent: str = "") -> Path:
    """Write a 3-D or 4-D array as NIfTI with the geometry of another image; complete or not at all.

    Parameters
    ----------
    path : Path
        .nii or .nii.gz.
    array : (I, J, K) or (I, J, K, N) array
        Written in its own type; bool as uint8, float64 as float32, int64 as int32.
    like : Header
        Affine, sform and qform codes and units come from it.
    t_r : float, optional
        Repetition time of a series, in seconds. Without it, volumes are no time series.
    intent : str
        NIfTI intent name, at most 15 characters.
    """
    array = np.asarray(array)
    small = {"b": np.uint8, "f": np.float32, "i": np.int32, "u": np.int32}
    if array.dtype.itemsize > 4 or array.dtype.kind == "b":
        array = array.astype(small[array.dtype.kind])
    header = _new_header(like, array.shape, array.dtype, t_r, intent)
    _write(path, header, ([array] if array.ndim == 3 else np.moveaxis(array, -1, 0)))
    return Path(path)


def save_series(
    path: Path,
    rows: np.ndarray,
    mask: np.ndarray,
    like: Header,
    t_r: float | None = None,
    intent: str = "none",
    fill: float = 0.0,
) -> Path:
    """Write (V, N) rows as a 4-D float32 image without ever holding the dense array.

    Parameters
    ----------
    path : Path
        .nii or .nii.gz.
    rows : (V, N) array
        May be memory-mapped; read in blocks of volumes.
    mask : (I, J, K) bool array
        Where the rows belong, in C order.
    like : Header
        Geometry and units.
    t_r : float, optional
        Repetition time in seconds.
    intent : str
        What the values are, by NIfTI's names: ``z score``, ``estimate``.
    fill : float
        Value of the voxels outside.
    """
    indices = flat_indices(mask)
    if rows.ndim != 2 or len(rows) != len(indices):
        raise ValueError(f"the mask has {len(indices)} voxels but the rows have the shape {rows.shape}")
    header = _new_header(like, (*mask.shape, rows.shape[1]), np.dtype(np.float32), t_r, "")
    header.set_intent(intent)

    def volumes():
        volume = np.full(mask.size, fill, np.float32)
        for first in range(0, rows.shape[1], BLOCK):
            for column in np.asarray(rows[:, first : first + BLOCK], np.float32).T:
                volume[indices] = column
                yield volume

    _write(path, header, volumes())
    return Path(path)


def _new_header(
    like: Header, shape: tuple[int, ...], dtype: np.dtype, t_r: float | None, intent: str
) -> nib.Nifti1Header:
    old = like.nifti
    header = nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    if old["qform_code"]:
        header.set_qform(old.get_qform(), int(old["qform_code"]), strip_shears=True)
    if old["sform_code"]:
        header.set_sform(old.get_sform(), int(old["sform_code"]))
    space, time = old.get_xyzt_units()
    space = "mm" if space == "unknown" else space  # as every reader takes it
    zooms = [float(z) for z in old.get_zooms()[:3]]
    if len(shape) == 4:
        if time not in ("sec", "msec", "usec"):
            time = "sec" if t_r else time
        unit = {"msec": 1e-3, "usec": 1e-6}.get(time, 1.0)
        zooms.append(t_r / unit if t_r else 1.0)
    header.set_zooms(zooms)
    header.set_xyzt_units(space, time if len(shape) == 4 and t_r else "unknown")
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["intent_name"] = intent.encode()
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    return header


def _write(path: Path, header: nib.Nifti1Header, volumes: Iterable[np.ndarray]) -> None:
    with writing(path) as stream:
        stream.write(header.binaryblock + bytes(4))  # no header extension
        for volume in volumes:
            stream.write(np.asarray(volume).tobytes(order="F"))
