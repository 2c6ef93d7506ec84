"""The files of a small subject, written as the steps write them: 9 planted latents, 2 runs, 8 parcels in 4 networks."""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.images.headers import read_header
from pydra_vae.images.volumes import save_nifti, unmask
from pydra_vae.stats import reconstruction as errors_of
from pydra_vae.stats.normalise import Scaling
from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.splits import TEST, TRAIN, split_voxels
from pydra_vae.stats.tsnr import gain, tsnr_in_units

LENGTHS = (70, 50)
AFFINE = np.array([[6.0, 0, 0, -39], [0, 6, 0, -39], [0, 0, 6, -33], [0, 0, 0, 1]])
MODELS = {"cvae": 9, "pca-9 = ica-9": 9, "pca-16": 16}
VERSIONS = {"pydra-vae": "0.1.0", "torch": "2.13.0"}


def write_subject(folder: Path, residual: bool = False) -> dict:
    """Fields of `SubjectReport`; PCA-9 stands in for the model."""
    folder.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((14, 14, 12), np.uint8)
    mask[1:-1, 1:-1, 1:-1] = 1
    nib.save(nib.Nifti1Image(mask, AFFINE), folder / "mask.nii.gz")
    voxels = _voxels(folder / "voxels.tsv", mask)
    frames = _frames(folder / "frames.tsv")
    weights = frames["weight"].to_numpy()
    series = _series(len(voxels), residual)
    scaling = Scaling.fit(series, np.split(weights, [LENGTHS[0]]))
    scaling.save(folder / "scaling.safetensors")
    x = scaling.apply(series)
    split = split_voxels("random", len(x))
    pca = fit_pca(x, 16, weights, rows=split == TRAIN)
    fits = {name: pca.first(k).reconstruct(x).astype(np.float32) for name, k in MODELS.items()}
    latents = pca.first(9).encode(x).astype(np.float32)
    arrays = {"scaled": x, "reconstruction": fits["cvae"], "latents": latents, "voxel_split": split}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    made = SimpleNamespace(folder=folder, mask=mask > 0, scaling=scaling, x=x, weights=weights, split=split, fits=fits)
    _metrics(made)
    _tsnr(made, voxels, "scaled" if residual else "scanner")
    _json_files(folder, residual)
    tables = {"metrics": ("metrics.tsv", "metrics_blocked.tsv"), "warnings": ("warnings.json",)}
    names = {
        **{name: f"{name}.npy" for name in arrays},
        **{name: f"{name}.tsv" for name in ("frames", "voxels", "tsnr", "tsnr_parcels", "history")},
        **{name: f"{name}.nii.gz" for name in ("mask", "tsnr_before", "tsnr_after", "tsnr_change", "mse_map")},
        **{name: f"{name}.json" for name in ("config", "verdict", "normalization", "mask_info")},
        "scaling": "scaling.safetensors",
    }
    return {
        "label": "sub-01",
        "dataset": "A small test",
        **{name: folder / file for name, file in names.items()},
        **{name: tuple(folder / file for file in files) for name, files in tables.items()},
        "run_infos": tuple(folder / f"series-{r}.json" for r in range(len(LENGTHS))),
        "parameters": {"fit": {"max_steps": 100}},
    }


def _voxels(path, mask) -> pd.DataFrame:
    ijk = np.argwhere(mask)
    table = pd.DataFrame(ijk, columns=["i", "j", "k"])
    octant = (ijk > np.array(mask.shape) // 2) @ [1, 2, 4]
    table["parcel"] = octant + 1
    table["name"] = [f"Parcel{o + 1}" for o in octant]
    table["network"] = [f"Net{o // 2 + 1}" for o in octant]
    table.to_csv(path, sep="\t", index=False)
    return table


def _frames(path) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"run": r, "frame": np.arange(n), "weight": 1, "reason": "n/a"}) for r, n in enumerate(LENGTHS)
    ]
    table = pd.concat(parts, ignore_index=True)
    for row, reason in ((0, "dummy+non_steady_state"), (1, "non_steady_state"), (30, "scrub")):
        table.loc[row, ["weight", "reason"]] = 0, reason
    table.to_csv(path, sep="\t", index=False)
    return table


def _series(n, residual) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(n, 9))
    runs = []
    for length in LENGTHS:
        x = loadings @ rng.normal(size=(9, length)) + rng.normal(size=(n, length))
        x = x - x.mean(axis=1, keepdims=True) if residual else 1000 + 10 * x
        x[7] = 0  # a constant voxel
        runs.append(x.astype(np.float32))
    return runs


def _metrics(made) -> None:
    test, chosen = made.split == TEST, errors_of.random_voxels(len(made.x))
    found = {name: errors_of.reconstruction_errors(made.x, fit, made.weights) for name, fit in made.fits.items()}
    found["shrinkage"] = errors_of.reconstruction_errors(made.x, lambda x: errors_of.shrink(x, 0.5), made.weights)
    found["voxel mean"] = errors_of.reconstruction_errors(made.x, errors_of.voxel_mean, made.weights)
    rows = [
        {
            "split": "random",
            "model": name,
            "mse_test": e.mse(test),
            "mse_random": e.mse(chosen),
            "emse_frame": e.emse(60),
            "emse_all": e.emse(),
            "r2": e.r2(test),
            "variance_ratio": e.variance_ratio(test),
        }
        for name, e in found.items()
    ]
    table = pd.DataFrame(rows)
    table.to_csv(made.folder / "metrics.tsv", sep="\t", index=False)
    table.assign(split="blocked").to_csv(made.folder / "metrics_blocked.tsv", sep="\t", index=False)
    _map(made, "mse_map", found["cvae"].voxel)


def _tsnr(made, voxels, units) -> None:
    before = tsnr_in_units(made.x, made.scaling, units, weights=made.weights)
    rows = []
    for name, fit in made.fits.items():
        after = tsnr_in_units(made.x, made.scaling, units, fit, made.weights)
        g = gain(before, after)
        if name == "cvae":
            for what, values in (("before", before), ("after", after), ("change", g.change)):
                _map(made, f"tsnr_{what}", values)
        rows.append(
            {
                "model": name,
                "units": units,
                "before_mean": g.before_mean,
                "after_mean": g.after_mean,
                "gain_mean": g.mean,
                "gain_median": g.median,
                "wilcoxon_log10p": g.test.log10_p,
                "effect_size": g.test.effect_size,
                "n_voxels": g.n,
                "wilcoxon_log10p_parcels": -2.1,
                "effect_size_parcels": 1.0,
                "n_parcels": 8,
            }
        )
    pd.DataFrame(rows).to_csv(made.folder / "tsnr.tsv", sep="\t", index=False)
    parcels = voxels.drop_duplicates("parcel").sort_values("parcel")[["parcel", "name", "network"]]
    parcels = parcels.assign(before=100.0, after=130.0, gain=np.linspace(20, 40, len(parcels)), n=150)
    parcels.to_csv(made.folder / "tsnr_parcels.tsv", sep="\t", index=False)


def _map(made, name, values) -> None:
    volume = unmask(made.scaling.unmask(np.nan_to_num(values).astype(np.float32)), made.mask)
    save_nifti(made.folder / f"{name}.nii.gz", volume, like=read_header(made.folder / "mask.nii.gz"))


def _json_files(folder, residual) -> None:
    steps = np.arange(0, 101, 20)
    error = 0.01 + 0.04 * np.exp(-steps / 20)
    best = (steps == 100).astype(int)
    history = {"step": steps, "epoch": 0, "lr": 1e-3, "train_mse": error, "val_mse": error + 0.001, "best": best}
    pd.DataFrame(history).to_csv(folder / "history.tsv", sep="\t", index=False)
    recipe = {"name": "fast", "learning_rate": 0.003, "schedule": "one-cycle", "batch_size": 280, "patience": None}
    contents = {
        "config": {
            "n_frames": sum(LENGTHS), "latent_dim": 9, "network": "lk", "linear_skip": "none", "kl_weight": 0.0,
            "seed": 0, "recipe": recipe, "parameters": 123456, "best_step": 100, "seconds": 12.3, "device": "cpu",
            "threads": 1, "versions": VERSIONS,
        },
        "verdict": {
            "collapsed": False, "over_regularised": False, "active_units": 9, "reasons": [], "advice": "",
            "warnings": [{"code": "few_voxels", "severity": "mild", "text": "1007 training voxels are few"}],
        },
        "normalization": {"method": "minmax", "match_baselines": True, "residual": residual},
        "mask_info": {"mask_from": "atlas", "atlas": "planted_dseg.nii.gz", "atlas_resampled": False},
        "warnings": [{"code": "no_gain_over_pca", "severity": "strong", "text": "no gain over PCA: none at all"}],
        **{
            f"series-{r}": {"bold": f"sub-01_task-rest_run-{r + 1}_bold.nii.gz", "repetition_time": 2.0}
            for r in range(len(LENGTHS))
        },
    }  # fmt: skip
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture(scope="session", autouse=True)
def drawn_once():
    """Slices are the slowest part of a page: the same maps are drawn once a session."""
    from pydra_vae.reports import figures, group_figures_latents

    drawn: dict[bytes, str] = {}

    def remembered(draw):
        def again(rows, space, *more):
            key = pickle.dumps((draw.__name__, rows, space.mask, space.affine, space.cuts, _pixels(space), more))
            if key not in drawn:
                drawn[key] = draw(rows, space, *more)
            return drawn[key]

        return again

    originals = {figures: "slices", group_figures_latents: "side_by_side"}
    functions = {name: getattr(module, name) for module, name in originals.items()}
    with pytest.MonkeyPatch.context() as patch:
        for module, name in originals.items():
            patch.setattr(module, name, remembered(functions[name]))
        yield


def _pixels(space):
    return None if space.background is None else np.asarray(space.background.dataobj)


@pytest.fixture(scope="session")
def subject(tmp_path_factory) -> dict:
    """Fields of a `SubjectReport`."""
    return write_subject(tmp_path_factory.mktemp("report") / "inputs")


@pytest.fixture(scope="session")
def residual_subject(tmp_path_factory) -> dict:
    """The same of residual data."""
    return write_subject(tmp_path_factory.mktemp("report") / "residual", residual=True)


@pytest.fixture(scope="session")
def page(subject, tmp_path_factory) -> str:
    """The page of the subject."""
    from pydra_vae.reports.subject import SubjectReport

    path = SubjectReport(**subject).write(tmp_path_factory.mktemp("page") / "sub-01.html")
    return path.read_text(encoding="utf-8")
