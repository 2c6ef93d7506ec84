"""References of spaces: files that TemplateFlow has, by its own list, and objects for grayordinates."""

import zipfile
from pathlib import Path

import pytest
import templateflow

from pydra_vae.bids.spaces import _SURFACES, _VOLUMES, TEMPLATEFLOW, spatial_fields, surface_reference, volume_reference


def test_every_reference_is_in_templateflow():
    with zipfile.ZipFile(Path(templateflow.__file__).parent / "conf" / "templateflow-skel.zip") as listing:
        there = set(listing.namelist())
    given = [volume_reference(space) for space in _VOLUMES]
    given += [surface_reference(space, density, hemi) for space, density in _SURFACES for hemi in "LR"]
    assert all(url.removeprefix(f"{TEMPLATEFLOW}/") in there for url in given)


def test_grayordinates_have_a_reference_for_each_structure():
    fields = spatial_fields({"space": "fsLR", "den": "91k"}, ".dtseries.nii")
    assert set(fields["SpatialReference"]) == {
        "VolumeReference",
        "CIFTI_STRUCTURE_CORTEX_LEFT",
        "CIFTI_STRUCTURE_CORTEX_RIGHT",
    }
    assert "MNI152NLin6Asym" in fields["SpatialReference"]["VolumeReference"]
    assert fields["SpatialReference"]["CIFTI_STRUCTURE_CORTEX_RIGHT"].endswith("den-32k_hemi-R_midthickness.surf.gii")
    assert "91,282" in fields["Density"]
    assert "VolumeReference" not in spatial_fields({"space": "fsLR", "den": "32k"}, ".dscalar.nii")["SpatialReference"]


@pytest.mark.parametrize(
    ("entities", "reference"),
    [
        ({"space": "T1w"}, "bids:raw:sub-01/anat/sub-01_desc-preproc_T1w.nii.gz"),
        ({}, "bids:raw:sub-01/anat/sub-01_desc-preproc_T1w.nii.gz"),
        ({"space": "MNI305"}, f"{TEMPLATEFLOW}/tpl-MNI305/tpl-MNI305_T1w.nii.gz"),
    ],
)
def test_spaces_of_volumes(tmp_path, entities, reference):
    own = tmp_path / "sub-01" / "anat" / "sub-01_desc-preproc_T1w.nii.gz"
    assert spatial_fields(entities, ".nii.gz", own, {"raw": tmp_path})["SpatialReference"] == reference


def test_words_of_the_input_are_taken_over():
    entities = {"space": "MNI152NLin6Asym", "res": "2"}
    assert spatial_fields(entities, ".nii.gz", said={"Resolution": "2 mm"})["Resolution"] == "2 mm"
    assert "Resolution" in spatial_fields(entities, ".nii.gz")
    assert spatial_fields({"space": "UNCInfant"}, ".nii.gz") == {"SpatialReference": "UNCInfant"}


def test_a_subject_s_own_surfaces_are_the_reference_of_their_mesh():
    pial = {hemi: Path(f"/raw/sub-01/anat/sub-01_hemi-{hemi}_pial.surf.gii") for hemi in "LR"}
    left, right = (f"bids:raw:sub-01/anat/sub-01_hemi-{hemi}_pial.surf.gii" for hemi in "LR")
    given = pial, {"raw": Path("/raw")}
    for hemi, uri in (("L", left), ("R", right)):
        fields = spatial_fields({"space": "fsnative", "hemi": hemi}, ".func.gii", *given)
        assert fields == {"SpatialReference": uri}
    both = spatial_fields({"space": "fsnative"}, ".dscalar.nii", *given)["SpatialReference"]
    assert both == {"CIFTI_STRUCTURE_CORTEX_LEFT": left, "CIFTI_STRUCTURE_CORTEX_RIGHT": right}
    assert spatial_fields({"space": "fsnative"}, ".dscalar.nii") == {"SpatialReference": "orig"}
    assert (
        "templateflow" in spatial_fields({"space": "fsaverage5", "hemi": "L"}, ".func.gii", *given)["SpatialReference"]
    )
