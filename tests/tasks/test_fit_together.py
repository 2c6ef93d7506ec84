"""Several calls of FitCvae in one process leave what each would leave alone."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from pydra_vae.engine.runner import run
from pydra_vae.engine.step import call, inputs_of
from pydra_vae.tasks._fit_together import fit_together, together_key
from pydra_vae.tasks.fit_cvae import FitCvae

T = 48
QUICK = {"network": "dense", "max_steps": 40, "device": "cpu"}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5)) @ np.cumsum(rng.normal(size=(5, T)), 1) + rng.normal(size=(400, T))
    x = (x - x.min(1, keepdims=True)) / np.ptp(x, axis=1, keepdims=True)
    np.save(folder / "scaled.npy", x.astype(np.float32))
    np.save(folder / "split.npy", rng.permutation(np.repeat([0, 1, 2], [280, 40, 80])).astype(np.int8))
    weights = [0, *[1] * (T - 1)]
    pd.DataFrame({"run": 0, "frame": range(T), "weight": weights, "reason": "n/a"}).to_csv(
        folder / "frames.tsv", sep="\t", index=False
    )
    return {"scaled": folder / "scaled.npy", "voxel_split": folder / "split.npy", "frames": folder / "frames.tsv"}


def inputs(series, **options):
    return inputs_of(FitCvae(**series, **QUICK | options))


def read(path):
    return json.loads(Path(path).read_text())


def test_latent_sizes_seeds_and_weights_may_differ_but_not_networks_steps_or_terms(series, tmp_path):
    def key(**options):
        return together_key(inputs(series, **options))

    assert key() == key(latent_dim=3) == key(seed=5) is not None
    assert key(beta=1.0) == key(kl_weight=0.1) == key(beta=2.0, annealing="cyclical", kl_annealing_steps=9) != key()
    others = [
        {"network": "lk"}, {"linear_skip": "pca"}, {"max_steps": 50}, {"batch_size": 9}, {"recipe": "paper"},
        {"mmd_weight": 0.1}, {"mixing": 0.5}, {"sample_latent": True}, {"threads": 2}, {"device": "auto"},
    ]  # fmt: skip
    assert len({key(), *(key(**other) for other in others)}) == 1 + len(others)
    shorter = tmp_path / "scaled.npy"
    np.save(shorter, np.load(series["scaled"])[:, 1:])
    assert key() != together_key(inputs({"scaled": shorter, "voxel_split": series["voxel_split"]}))


def test_what_trains_alone_has_no_key(series):
    assert together_key(inputs(series, network="paper")) is None
    assert together_key(inputs(series, device="mps")) is None
    # alone it says what is wrong
    assert together_key(inputs(series, beta=1.0, kl_weight=0.1)) is None
    assert together_key(inputs({**series, "scaled": series["frames"]})) is None


@pytest.mark.parametrize("options", [{}, {"linear_skip": "pca"}, {"beta": 1.0}])
def test_each_call_gets_the_files_that_it_would_write_alone(series, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)  # where checkpoints and progress go
    tolerance = 1e-2 if options.get("linear_skip") else 1e-4
    given = [inputs(series, latent_dim=d, seed=s, scheme="random", **options) for d, s in ((2, 0), (5, 0), (2, 1))]
    folders = [tmp_path / f"of {i}" for i in range(3)]
    for folder in folders:
        folder.mkdir()
    made = fit_together(list(zip(given, folders, strict=True)))
    for one, folder, files in zip(given, folders, made, strict=True):
        alone = call(FitCvae, cwd=folder / "alone", **one)
        assert [Path(path).parent for path in files] == [folder] * 3
        model, config, history = files
        same, own = read(config), read(alone.config)
        assert (same.pop("stacked_with"), own.pop("stacked_with")) == (2, 0)
        for name in ("seconds", "best_step"):
            assert same.pop(name) >= 0 <= own.pop(name)
        for name in ("noise_variance", "kl_weight"):  # from a PCA that was cut from a larger one
            assert (same.pop(name) or 0) == pytest.approx(own.pop(name) or 0, rel=1e-9)
        assert same == own
        tables = [pd.read_csv(path, sep="\t", na_values="n/a") for path in (history, alone.history)]
        assert list(tables[0]) == list(tables[1]) and (tables[0]["step"] == tables[1]["step"]).all()
        assert np.allclose(tables[0]["val_loss"], tables[1]["val_loss"], rtol=tolerance)
        assert Path(model).stat().st_size == Path(alone.model).stat().st_size


def test_the_engine_stacks_what_is_missing_and_stores_each_as_its_own(series, tmp_path):
    def fit(*sizes):
        tasks = {str(size): FitCvae(**series, **QUICK, latent_dim=size) for size in sizes}
        options = {"work_dir": tmp_path, "n_procs": 1, "fits_together": 4}
        outcome = run(tasks, console=Console(file=io.StringIO()), **options)
        return {label: read(made.config) | {"folder": str(made.config)} for label, made in outcome.outputs.items()}

    first, more = fit(2), fit(2, 3, 5)
    assert first["2"] == more["2"]
    assert [(made["latent_dim"], made["stacked_with"]) for made in more.values()] == [(2, 0), (3, 1), (5, 1)]
    assert len({made["folder"] for made in more.values()}) == 3
    assert not list(tmp_path.rglob("*.pt"))
