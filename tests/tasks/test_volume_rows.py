"""Rows of images: put in the order of others, and projected on principal components."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from pydra_vae.engine.step import call
from pydra_vae.tasks.align_rows import AlignRows
from pydra_vae.tasks.select_rows import SelectRows
from pydra_vae.tasks.volume_pca_scores import VolumePcaScores


@pytest.fixture
def images(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 20)).astype(np.float32)
    np.save(tmp_path / "values.npy", values)
    return tmp_path / "values.npy", values


def test_rows_in_another_order_and_missing_ones(images, tmp_path):
    path, values = images
    folder = tmp_path / "step"
    folder.mkdir()
    found = call(AlignRows, cwd=folder, values=path, labels=list("abcde"), wanted=["c", "x", "a"])
    aligned = np.load(found.values)
    np.testing.assert_array_equal(aligned[[0, 2]], values[[2, 0]])
    assert np.isnan(aligned[1]).all()


def test_labels_that_never_agree_are_refused(images, tmp_path):
    with pytest.raises(ValueError, match="none is among those wanted"):
        call(AlignRows, cwd=tmp_path, values=images[0], labels=list("abcde"), wanted=["sub-1"])


def test_scores_rebuild_what_the_components_span(images, tmp_path):
    path, values = images
    mean = values.mean(0)
    components = np.linalg.svd(values - mean, full_matrices=False)[2][:4]
    pca = {"mean": mean, "components": components, "variance": np.ones(4, np.float32)}
    save_file(pca, tmp_path / "pca.safetensors")
    folder = tmp_path / "step"
    folder.mkdir()
    found = call(VolumePcaScores, cwd=folder, volumes=path, pca=tmp_path / "pca.safetensors", n_components=4)
    np.testing.assert_allclose(np.load(found.scores) @ components + mean, values, atol=1e-5)


def test_scores_of_another_mask_are_refused(images, tmp_path):
    wrong = {"mean": np.zeros(3, np.float32), "components": np.eye(3, dtype=np.float32), "variance": np.ones(3)}
    save_file(wrong, tmp_path / "pca.safetensors")
    with pytest.raises(ValueError, match="20 voxels"):
        call(VolumePcaScores, cwd=tmp_path, volumes=images[0], pca=tmp_path / "pca.safetensors")


def test_rows_of_a_table_by_their_labels(tmp_path):
    (tmp_path / "split.tsv").write_text("label\tperson\tpart\na\tp\ttrain\nb\tq\ttest\n")
    folder = tmp_path / "step"
    folder.mkdir()
    found = call(SelectRows, cwd=folder, table=tmp_path / "split.tsv", labels=["b", "a"])
    assert found.table.fspath.read_text() == "label\tperson\tpart\nb\tq\ttest\na\tp\ttrain\n"
    with pytest.raises(ValueError, match="no row of c"):
        call(SelectRows, cwd=folder, table=tmp_path / "split.tsv", labels=["c"])
