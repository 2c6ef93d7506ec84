"""FitCvae through the runner: fits of one run trained together are those that would be trained alone."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from safetensors.numpy import load_file

from pydra_vae.engine.runner import run
from pydra_vae.tasks.fit_cvae import FitCvae

N, T = 480, 60


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    courses = np.cumsum(rng.normal(size=(4, T)), axis=1)
    x = rng.normal(size=(N, 4)) @ courses + rng.normal(size=(N, T))
    np.save(folder / "scaled.npy", ((x - x.mean()) / x.std()).astype(np.float32))
    np.save(folder / "split.npy", rng.permutation(np.repeat([0, 1, 2], [336, 48, 96])).astype(np.int8))
    frames = pd.DataFrame({"run": 0, "frame": range(T), "weight": [0, 0, *[1] * (T - 2)], "reason": "n/a"})
    frames.to_csv(folder / "frames.tsv", sep="\t", index=False)
    return {
        "scaled": folder / "scaled.npy", "voxel_split": folder / "split.npy", "frames": folder / "frames.tsv",
        "network": "dense", "max_steps": 60, "device": "cpu",
    }  # fmt: skip


def fit(points, inputs, work, **options):
    tasks = {str(number): FitCvae(**inputs, **point) for number, point in enumerate(points)}
    outcome = run(tasks, work_dir=work, n_procs=1, console=Console(file=io.StringIO()), **options)
    assert outcome.exit_code == 0, outcome.failures
    (row,) = outcome.table
    return [outcome.outputs[label] for label in tasks], (row["computed"], row["reused"])


POINTS = [{"latent_dim": 2, "seed": 0}, {"latent_dim": 4, "seed": 0}, {"latent_dim": 4, "seed": 1}]


def test_fits_of_two_sizes_and_two_seeds_equal_their_solo_fits(inputs, tmp_path):
    together, counts = fit(POINTS, inputs, tmp_path / "together", fits_together=3)
    assert counts == (3, 0)
    alone, counts = fit(POINTS, inputs, tmp_path / "alone", fits_together=1)
    assert counts == (3, 0)
    for a, b, point in zip(together, alone, POINTS, strict=True):
        assert Path(a.model).parent.name == Path(b.model).parent.name  # the same key
        made, solo = (json.loads(Path(fit.config).read_text()) for fit in (a, b))
        assert (made["latent_dim"], made["seed"]) == (point["latent_dim"], point["seed"])
        assert made.get("stacked_with", 1) != solo.get("stacked_with", 1)
        assert made["best_step"] == solo["best_step"]
        ours, theirs = (pd.read_csv(fit.history, sep="\t", na_values="n/a") for fit in (a, b))
        assert ours["step"].tolist() == theirs["step"].tolist()
        np.testing.assert_allclose(ours["val_mse"], theirs["val_mse"], rtol=1e-3)
        weights, others = load_file(a.model), load_file(b.model)
        assert weights.keys() == others.keys()
        for name, value in weights.items():
            np.testing.assert_allclose(value, others[name], rtol=1e-2, atol=1e-3, err_msg=name)
    # each is the cached result of the fit alone, and the other way round
    for work in ("together", "alone"):
        for limit in (1, 3):
            assert fit(POINTS, inputs, tmp_path / work, fits_together=limit)[1] == (0, 3)


def test_a_size_that_is_added_trains_alone(inputs, tmp_path):
    fit(POINTS[:2], inputs, tmp_path, fits_together=3)
    _, counts = fit([*POINTS[:2], {"latent_dim": 3, "seed": 0}], inputs, tmp_path, fits_together=3)
    assert counts == (1, 2)
