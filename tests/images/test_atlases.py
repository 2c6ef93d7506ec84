"""Atlases: the paper's number of voxels, their labels, and what to do where they are not to be had."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from pydra_vae.images.atlases import AtlasError, find_atlas, network_of, read_labels, resample_labels, resolve
from pydra_vae.images.headers import read_header
from pydra_vae.images.masks import make_mask, voxel_table

SPACE = "MNI152NLin2009cAsym"


@pytest.fixture
def templateflow(shared_data, monkeypatch):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(shared_data / "templateflow"))
    return shared_data / "templateflow" / f"tpl-{SPACE}"


@pytest.fixture
def no_network(monkeypatch):
    """Every connection fails at once, as with the cable out."""
    import socket

    def refuse(*args, **kwargs):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_default_atlas_has_the_paper_s_number_of_voxels(templateflow):
    dseg, table = resolve("Schaefer2018", SPACE)
    labels, resampled = resample_labels(dseg, read_header(templateflow / f"tpl-{SPACE}_res-02_desc-brain_mask.nii.gz"))
    assert (labels > 0).sum() == 139_501
    assert not resampled
    names = read_labels(table)
    assert sorted(names) == sorted(set(np.unique(labels)) - {0}) == list(range(1, 201))
    assert len({label.network for label in names.values()}) == 17


def test_networks_are_those_of_the_authors_table(templateflow, shared_data):
    """CBIG's own names of the same 200 integers give the same 17 networks."""
    table = shared_data / "meta" / "CBIG_Schaefer2018_200Parcels_17Networks_order.txt"
    theirs = {}
    for line in table.read_text().splitlines():
        value, name = line.split("\t")[:2]
        theirs[int(value)] = name.split("_")[2]
    ours = read_labels(find_atlas("Schaefer2018", SPACE)[1])
    assert {value: label.network for value, label in ours.items()} == theirs


def test_network_names():
    assert network_of("7Networks_LH_Limbic_OFC_1") == "Limbic"
    assert network_of("17Networks_RH_Limbic_TempPole_2") == "LimbicA"
    assert network_of("17Networks_LH_DefaultA_PFCm_3") == "DefaultA"
    assert network_of("LH_V1") == "n/a"


def test_another_resolution_is_resampled_where_there_is_no_other(templateflow, tmp_path, monkeypatch, no_network):
    folder = tmp_path / templateflow.name
    folder.mkdir()
    for path in templateflow.glob("*200Parcels*"):
        (folder / path.name).symlink_to(path)
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path))
    dseg, _ = find_atlas("Schaefer2018", SPACE, res="1")
    assert "res-02" in dseg.name
    labels, resampled = resample_labels(dseg, read_header(templateflow / f"tpl-{SPACE}_res-01_desc-brain_mask.nii.gz"))
    assert resampled
    assert labels.shape == (193, 229, 193)
    assert 8 * 139_501 * 0.97 < (labels > 0).sum() < 8 * 139_501 * 1.03


def test_finding_an_atlas_on_disk_imports_no_templateflow(templateflow):
    code = (
        "import sys, socket\n"
        "def refuse(*a, **k): raise SystemExit('network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from pydra_vae.images.atlases import find_atlas\n"
        f"print(find_atlas('Schaefer2018', '{SPACE}')[0].name, 'templateflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        f"tpl-{SPACE}_res-02_atlas-Schaefer2018_desc-200Parcels17Networks_dseg.nii.gz",
        "False",
    ]


def test_templateflow_unreachable(tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path))
    for _ in range(2):  # what a failed download leaves is not taken for the file
        with pytest.raises(AtlasError) as error:
            find_atlas("Schaefer2018", SPACE)
        text = str(error.value)
        assert "could not be fetched" in text
        assert f"Needed in {tmp_path / f'tpl-{SPACE}'} (set TEMPLATEFLOW_HOME" in text
        assert f"  tpl-{SPACE}_res-02_atlas-Schaefer2018_desc-200Parcels17Networks_dseg.nii.gz\n" in text
        assert f"  tpl-{SPACE}_atlas-Schaefer2018_desc-200Parcels17Networks_dseg.tsv\n" in text
        assert "--atlas FILE" in text


def test_templateflow_without_that_space(tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path))
    with pytest.raises(
        AtlasError, match=r"Schaefer2018 .* in MNI152NLin2009aSym is not in TemplateFlow \(there: .*2009cAs"
    ):
        find_atlas("Schaefer2018", "MNI152NLin2009aSym")


@pytest.mark.parametrize("space", [None, "T1w"])
def test_default_atlas_needs_a_template_space(space):
    with pytest.raises(AtlasError, match=r"lies in template spaces, but the BOLD is in .*: choose BOLD"):
        find_atlas("Schaefer2018", space)


@pytest.fixture
def own_atlas(tmp_path, write):
    """Two parcels in a 6 × 5 × 4 image, with a table, and a BOLD on the same grid."""
    labels = np.zeros((6, 5, 4), "i2")
    labels[:2], labels[4:] = 3, 7
    write(tmp_path / "my_dseg.nii.gz", labels)
    (tmp_path / "my_dseg.tsv").write_text("index\tname\tnetwork\n0\tbackground\t\n3\tleft\tA\n7\tright\t\n9\tlost\tB\n")
    write(tmp_path / "bold.nii", np.zeros((6, 5, 4, 40), "i2"))
    return tmp_path


def test_atlas_file_and_its_voxels(own_atlas):
    dseg, table = resolve(own_atlas / "my_dseg.nii.gz", "T1w")
    assert table.name == "my_dseg.tsv"
    mask = make_mask([own_atlas / "bold.nii"], atlas=dseg, atlas_labels=table)
    assert mask.info == {
        "mask_from": "atlas", "atlas": "my_dseg.nii.gz", "atlas_resampled": False, "n_voxels": 80, "n_parcels": 2,
        "parcels_without_voxels": [9], "voxels_per_network": {"A": 40, "n/a": 40},
    }  # fmt: skip
    voxels = voxel_table(mask.mask, mask.parcels, mask.labels)
    assert list(voxels) == ["i", "j", "k", "parcel", "name", "network"]
    assert voxels.iloc[0].tolist() == [0, 0, 0, 3, "left", "A"]
    assert voxels.iloc[-1].tolist() == [5, 4, 3, 7, "right", "n/a"]
    assert (np.stack(np.nonzero(mask.mask), 1) == voxels[["i", "j", "k"]].to_numpy()).all()


def test_atlas_on_another_grid_takes_the_nearest_label(own_atlas, write, affine):
    from nilearn.image import resample_to_img

    fine = affine.copy()
    fine[:3, :3] *= 0.7
    bold = write(own_atlas / "fine.nii", np.zeros((8, 7, 6, 40), "i2"), affine=fine)
    mask = make_mask([bold], atlas=own_atlas / "my_dseg.nii.gz", atlas_labels=own_atlas / "my_dseg.tsv")
    expected = resample_to_img(
        str(own_atlas / "my_dseg.nii.gz"), str(bold), interpolation="nearest", force_resample=True, copy_header=True
    ).get_fdata()
    assert mask.info["atlas_resampled"]
    assert mask.info["n_voxels"] == (expected > 0).sum()
    np.testing.assert_array_equal(mask.mask, expected > 0)


def test_atlases_that_do_not_fit(own_atlas, write, affine):
    with pytest.raises(AtlasError, match=r"no such atlas file: .*none_dseg\.nii\.gz"):
        resolve(own_atlas / "none_dseg.nii.gz", SPACE)
    other = own_atlas / f"tpl-{SPACE}_atlas-X_dseg.nii.gz"
    shutil.copy(own_atlas / "my_dseg.nii.gz", other)
    with pytest.raises(AtlasError, match=rf"atlas .* is in the space {SPACE}, but the BOLD is in T1w"):
        resolve(other, "T1w")
    with pytest.raises(AtlasError, match=r"no labels for the atlas .*put a table .*_dseg\.tsv beside it"):
        resolve(other, SPACE)
    far = affine.copy()
    far[:3, 3] += 1000
    bold = write(own_atlas / "far.nii", np.zeros((6, 5, 4, 40), "i2"), affine=far)
    with pytest.raises(AtlasError, match=r"no parcel of the atlas .*my_dseg\.nii\.gz lies within .*far\.nii"):
        make_mask([bold], atlas=own_atlas / "my_dseg.nii.gz")
    soft = write(own_atlas / "soft.nii", np.full((6, 5, 4), 0.5, "f4"))
    with pytest.raises(AtlasError, match="values that are no integers"):
        make_mask([own_atlas / "bold.nii"], atlas=soft)
    (own_atlas / "few.tsv").write_text("index\tname\n3\tleft\n")
    with pytest.raises(ValueError, match=r"holds labels that .*few\.tsv does not list: 7"):
        make_mask([own_atlas / "bold.nii"], atlas=own_atlas / "my_dseg.nii.gz", atlas_labels=own_atlas / "few.tsv")
    (own_atlas / "bad.tsv").write_text("number\ttitle\n3\tleft\n")
    with pytest.raises(AtlasError, match=r"has the columns number, title: index and name are needed"):
        read_labels(own_atlas / "bad.tsv")


def test_brain_masks_are_intersected_and_a_mask_file_replaces_them(tmp_path, write):
    bold = write(tmp_path / "bold.nii", np.zeros((6, 5, 4, 40), "i2"))
    one, two = np.zeros((2, 6, 5, 4), "u1")
    one[:4], two[2:] = 1, 1
    masks = [write(tmp_path / "one.nii.gz", one), write(tmp_path / "two.nii.gz", two)]
    both = make_mask([bold, bold], masks)
    assert both.info == {"mask_from": "brain mask", "n_brain_masks": 2, "n_voxels": 40}
    np.testing.assert_array_equal(both.mask, (one & two).astype(bool))
    assert not both.parcels.any()
    assert voxel_table(both.mask, both.parcels, {}).iloc[0].tolist() == [2, 0, 0, 0, "n/a", "n/a"]
    assert make_mask([bold], masks, mask_file=masks[0]).info["n_voxels"] == 80
    assert make_mask([bold], atlas=masks[0], mask_file=masks[1]).info["n_voxels"] == 40
    apart = [masks[0], write(tmp_path / "apart.nii.gz", 1 - one)]
    with pytest.raises(ValueError, match="brain masks of the 2 runs have no voxel in common"):
        make_mask([bold, bold], apart)
    with pytest.raises(ValueError, match=r"there is no brain mask .* give --mask FILE"):
        make_mask([bold])
    with pytest.raises(ValueError, match="no voxel is left"):
        make_mask([bold], atlas=masks[0], mask_file=apart[1])


def test_real_brain_mask(shared_data):
    func = shared_data / "derivatives" / "haxby" / "sub-01" / "func"
    bolds, masks = (sorted(func.glob(f"*_{kind}.nii.gz")) for kind in ("bold", "mask"))
    assert make_mask(bolds, masks).info["n_voxels"] == 129


def test_shared_cache_is_left_as_it_is(templateflow):
    before = sorted(os.listdir(templateflow))
    find_atlas("Schaefer2018", SPACE)
    assert sorted(os.listdir(templateflow)) == before
