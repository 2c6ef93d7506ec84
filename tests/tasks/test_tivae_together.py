"""Several calls of FitTiVae in one process leave what each would leave alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pydra_vae.bids.tables import read_table, write_table
from pydra_vae.engine.step import call, inputs_of
from pydra_vae.tasks._fit_tivae_together import fit_together, together_key
from pydra_vae.tasks.fit_tivae import FitTiVae

from ..training.motor_sheets import sheets

QUICK = {"max_steps": 6, "batch_size": 2, "crop": 12, "precision": "float32", "latent_dim": 3, "device": "cpu"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, made = tmp_path_factory.mktemp("motor"), sheets(side=6, blocks=2, n_frames=20, parts=(4, 2, 1))
    series = [folder / f"series-{i}.npy" for i in range(7)]
    for path, array in zip(series, made.arrays, strict=True):
        np.save(path, array)
    np.save(folder / "clusters.npy", made.clusters.astype(np.int32))
    np.save(folder / "others.npy", np.roll(made.clusters.reshape(2, -1), 5, 1).ravel().astype(np.int32))
    vertices = [{"hemi": hemi, "vertex": i, "label": "motor"} for hemi in "LR" for i in range(36)]
    rows = [{"label": f"sub-{i}", "person": i, "part": part} for i, part in enumerate(made.parts)]
    return {
        "series": series,
        "subject_split": write_table(folder / "split.tsv", rows),
        "vertices": write_table(folder / "vertices.tsv", vertices),
        "clusters": folder / "clusters.npy",
    }


def key(files, **options):
    return together_key(inputs_of(FitTiVae(**files, **QUICK | options)))


def test_sizes_seeds_and_betas_may_differ_but_not_networks_steps_or_terms(files):
    same = key(files)
    others = Path(files["clusters"]).with_name("others.npy")
    assert same == key(files, latent_dim=8) == key(files, seed=5) == key(files, beta=0.3) is not None
    assert same == key({**files, "clusters": others}) == key(files, initialisation="orthogonal")
    assert key(files, kind="beta-vae") == key(files, beta=0.0)
    differing = [
        {"network": "linear"}, {"share_hemispheres": False}, {"input_layer": "shared"}, {"temporal_decoder": True},
        {"recipe": "paper"}, {"max_steps": 7}, {"crop": 13}, {"batch_size": 3}, {"learning_rate": 0.1},
        {"precision": "bfloat16"}, {"beta": 0.0}, {"threads": 2}, {"device": "auto"},
    ]  # fmt: skip
    assert len({same, *(key(files, **other) for other in differing)}) == 1 + len(differing)
    assert key(files, device="mps") is None


def test_each_call_gets_the_files_that_it_would_write_alone(files, tmp_path, monkeypatch):
    """Structural and other clusters, two seeds and two sizes in one stack."""
    monkeypatch.chdir(tmp_path)  # where checkpoints and progress go
    others = Path(files["clusters"]).with_name("others.npy")
    calls = [{}, {"latent_dim": 5, "seed": 1, "beta": 0.5}, {"clusters": others}]
    folders = [tmp_path / str(i) for i in range(3)]
    for folder in folders:
        (folder / "alone").mkdir(parents=True)
    given = [files | QUICK | options for options in calls]
    together = fit_together([(inputs_of(FitTiVae(**one)), folder) for one, folder in zip(given, folders, strict=True)])
    for one, folder, paths in zip(given, folders, together, strict=True):
        alone = call(FitTiVae, cwd=folder / "alone", **one)
        assert [path.parent for path in paths] == [folder] * 3
        first, second = (json.loads(Path(path).read_text()) for path in (paths[1], alone.config))
        assert (first.pop("stacked_with"), second.pop("stacked_with")) == (2, 0)
        assert first | {"seconds": 0} == second | {"seconds": 0}
        histories = [read_table(path) for path in (paths[2], alone.history)]
        assert list(histories[0]) == list(histories[1])
        assert np.allclose(histories[0]["val_loss"], histories[1]["val_loss"], rtol=1e-3)
        weights = [load_file(path) for path in (paths[0], alone.model)]
        assert {k: v.shape for k, v in weights[0].items()} == {k: v.shape for k, v in weights[1].items()}
        assert np.array_equal(weights[0]["layout.clusters"], weights[1]["layout.clusters"])
