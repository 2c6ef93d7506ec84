"""Small images written for a test."""

import nibabel as nib
import numpy as np
import pytest

AFFINE = np.array([[-3, 0, 0, 20], [0, 3, 0.5, -30], [0, -0.5, 4, 7], [0, 0, 0, 1.0]])


def write_image(path, data, t_r=2.0, affine=AFFINE, dtype=None, endian="<", slope=None, units="sec", code=4):
    """Write a NIfTI image; `slope` is (scl_slope, scl_inter), by which nibabel then stores."""
    header = nib.Nifti1Header(endianness=endian)
    header.set_data_dtype(dtype or data.dtype)
    image = nib.Nifti1Image(data, affine, header)
    image.set_sform(affine, code)
    image.set_qform(affine, 1, strip_shears=True)
    if data.ndim == 4:
        image.header.set_zooms((*image.header.get_zooms()[:3], t_r))
        image.header.set_xyzt_units("mm", units)
    if slope:
        image.header.set_slope_inter(*slope)
    nib.save(image, path)
    return path


@pytest.fixture
def write():
    return write_image


@pytest.fixture
def affine():
    return AFFINE.copy()
