"""The real hemisphere and its somatomotor region."""

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.images.surfaces import load_surface


@pytest.fixture(scope="session")
def left_pial(shared_data):
    """The S1200 group's left pial surface: coordinates, triangles."""
    return load_surface(shared_data / "fsLR" / "S1200.L.pial_MSMAll.32k_fs_LR.surf.gii")


@pytest.fixture(scope="session")
def motor_vertices(shared_data):
    """Yeo's somatomotor network in both hemispheres: two arrays of vertex numbers."""
    image = nib.load(shared_data / "fsLR" / "RSN-networks.32k_fs_LR.cifti2.dlabel.nii")
    names = {name: key for key, (name, _) in image.header.get_axis(0).label[0].items()}
    vertices = np.flatnonzero(np.asarray(image.dataobj)[0] == names["7Networks_2"])
    return vertices[vertices < 32492], vertices[vertices >= 32492] - 32492
