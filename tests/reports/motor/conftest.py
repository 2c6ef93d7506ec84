"""Tables of a motor run, written as the steps write them, on the real region of the S1200 surfaces."""

import json
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from pydra_vae.bids.tables import write_table
from pydra_vae.images.surface_templates import packaged_cortex, packaged_file, surfaces_for
from pydra_vae.images.surfaces import load_surface

SUBTASKS = ("left_hand", "left_foot", "right_hand", "right_foot", "tongue")
ONSETS = {"right_hand": (11, 132), "left_foot": (26, 117), "tongue": (41, 102), "right_foot": (56, 177),
          "left_hand": (71, 162)}  # fmt: skip
# Hemisphere and place of each patch, mm on the inflated S1200 surface
PATCHES = {
    "left_hand": [("R", (40, -20, 58))], "right_hand": [("L", (-40, -20, 58))], "left_foot": [("R", (6, -28, 62))],
    "right_foot": [("L", (-6, -28, 62))], "tongue": [("L", (-56, -8, 25)), ("R", (56, -8, 25))],
}  # fmt: skip
TEMPORAL, SPATIAL = "temporal Infomax (extended), concatenated", "spatial Infomax, mean"
# Mean |r| with the sub-tasks, R² and spread of the maps in mm
MODELS = {
    "TI-VAE-S": (0.52, 0.17, 14), "TI-VAE-F": (0.49, 0.16, 19), "β-VAE-S": (0.41, 0.17, 17), TEMPORAL: (0.46, 0.21, 16),
    "temporal FastICA, mean": (0.5, 0.2, 17), SPATIAL: (0.66, 0.2, 13), "PCA": (0.38, 0.211, 28),
    "linear": (0.4, 0.19, 24), "random clusters": (0.31, 0.12, 30), "unshared hemispheres": (0.5, 0.17, 15),
}  # fmt: skip
VAES = ("TI-VAE-S", "TI-VAE-F", "β-VAE-S", "linear", "random clusters", "unshared hemispheres")
BETAS = {"TI-VAE-S": (0.0, 0.5, 1.0, 2.0), "TI-VAE-F": (0.0, 0.5, 1.0, 2.0), "β-VAE-S": (1.0, 2.0)}
CLOCK = (("rolled inputs, lag of the factors", 20, 20, 1, True), ("zero input, r with the task", 0.03, 0, 0.2, True))
T, T_R = 284, 0.72


@cache
def region() -> tuple[np.ndarray, np.ndarray]:
    """Hemisphere and number of the somatomotor vertices."""
    left, right = packaged_cortex()
    with np.load(packaged_file("yeo7.npz")) as stored:
        inside = stored["map_all"][: len(left) + len(right)] == 2
    hemi = np.repeat(["L", "R"], [len(left), len(right)])
    return hemi[inside], np.concatenate([left, right])[inside]


@cache
def places() -> np.ndarray:
    """(V, 3) coordinates of these vertices on the folded surface, mm."""
    meshes = [load_surface(path)[0] for path in surfaces_for("fsLR", (32492, 32492), "midthickness")]
    hemi, vertex = region()
    return np.concatenate([mesh[vertex[hemi == side]] for mesh, side in zip(meshes, "LR", strict=True)])


def patches(width: float = 9.0) -> np.ndarray:
    """(5, V) planted maps."""
    hemi, _ = region()
    maps = []
    for name in SUBTASKS:
        total = np.zeros(len(hemi))
        for side, centre in PATCHES[name]:
            here = np.flatnonzero(hemi == side)
            peak = here[np.argmin(((places()[here] - centre) ** 2).sum(axis=1))]
            near = np.exp(-((places() - places()[peak]) ** 2).sum(axis=1) / 2 / width**2)
            total += np.where(hemi == side, near, 0)
        maps.append(total)
    return np.array(maps)


def write_motor(folder: Path, *, gain: float = 0.0, seeds=(0, 1), sizes=(8, 16), functional: bool = True) -> dict:
    """Fields of `MotorReport`; `gain` is added to the scores of TI-VAE."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    models = {name: row for name, row in MODELS.items() if functional or name != "TI-VAE-F"}
    fits = list(_fits(models, seeds, sizes, gain, rng))
    tables = {
        "comparison": [_summary(fit) for fit in fits], "scores": [row for fit in fits for row in _scores(fit, rng)],
        "subjects": [row for fit in fits for row in _subjects(fit, rng)], "courses": list(_courses(fits, rng)),
        "fits": [_score(fit, rng) for fit in fits if fit["model"] in (*VAES, "PCA")],
        "map_scores": [row for fit in fits for row in _map_scores(fit, models, rng)],
        "consistency": [
            {"model": m, "k": k, "seed_a": 0, "seed_b": 1, "matched_r": 0.71 + rng.normal(0, 0.03), "null": 0.34}
            for m, k in product(models, sizes) if m in VAES[:3]
        ] if len(seeds) > 1 else [],
        "clock": [
            _key(fit) | {"check": check, "value": value, "expected": expected, "tolerance": tolerance, "passed": passed}
            for fit in fits if fit["model"] == "TI-VAE-S" and fit["beta"] == 1
            for check, value, expected, tolerance, passed in CLOCK
        ],
        "stability": [
            {"model": m, "k": 8, "beta": np.nan, "seed": 0, "restart": i, "iterations": 99, "converged": int(i != 2),
             "objective": -3.1 - i / 9, "similarity": [1.0, 0.97, 0.81][i]}
            for m, i in product((TEMPORAL, SPATIAL), range(3))
        ],
    }  # fmt: skip
    columns = {"consistency": ["model", "k", "seed_a", "seed_b", "matched_r", "null"]}
    written = {name: _table(folder / f"{name}.tsv", rows, columns.get(name)) for name, rows in tables.items()}
    return {**written, **_surface(folder, models, sizes[0], rng), **_clusterings(folder, functional),
            **_embeddings(folder, models, sizes[-1], rng), **_records(folder, sizes)}  # fmt: skip


def _table(path, rows, columns=None) -> Path:
    import pandas as pd

    return write_table(path, rows or pd.DataFrame(columns=columns))


def _fits(models, seeds, sizes, gain, rng):
    for (model, (r, r2, _)), k in product(models.items(), sizes):
        for seed in seeds if model in VAES else seeds[:1]:
            for beta in BETAS.get(model, (np.nan,)):
                shift = gain if model.startswith("TI-VAE") else 0
                change = {0.0: -0.07, 0.5: -0.02, 2.0: -0.03}.get(beta, 0) if model.startswith("TI-VAE") else 0
                value = r + shift + change + rng.normal(0, 0.015) + (0.03 if k > 8 and model in VAES else 0)
                yield {"model": model, "k": k, "beta": beta, "seed": seed, "r": value, "r2": r2 + 0.002 * (k - 8)}


def _key(fit) -> dict:
    return {name: fit[name] for name in ("model", "k", "beta", "seed")}


def _summary(fit) -> dict:
    r = fit["r"]
    return _key(fit) | {"r_validation": r + 0.01, "r_test": r, "p_shift": 0.001,
                        "chance": {8: 0.23, 16: 0.27}.get(fit["k"], 0.3), "chance_held_out": 0.17,
                        "r_paper": r + 0.03, "readout": 0.68, "ceiling": 0.91, "subject_r_mean": 0.55 * r,
                        "subject_r_sd": 0.08, "n_designs": 1, "n_test": 9}  # fmt: skip


def _scores(fit, rng):
    for i, name in enumerate(SUBTASKS):
        r = fit["r"] + (0.06, -0.08, 0.05, -0.12, 0.09)[i]
        yield _key(fit) | {
            "subtask": name, "factor": i, "sign": 1 if i % 2 else -1, "r_validation": r + rng.normal(0, 0.02),
            "r_test": r, "p_shift": 0.001, "chance": 0.24, "ceiling": 0.78 if name == "right_foot" else 0.91,
            "paper_factor": i, "r_paper": r + 0.02, "readout_r": 0.7, "subject_r_mean": 0.5 * r, "subject_r_sd": 0.1,
            "n_test": 9,
        }  # fmt: skip


def _subjects(fit, rng):
    for s, name in product(range(9), SUBTASKS):
        yield _key(fit) | {"label": f"sub-{s + 1:03d}", "subtask": name, "r": 0.55 * fit["r"] + rng.normal(0, 0.09)}


@cache
def _response(name: str) -> np.ndarray:
    t = np.arange(T) * T_R
    box = sum(((t > onset) & (t < onset + 12)).astype(float) for onset in ONSETS[name])
    kernel = (np.arange(0, 25, T_R) ** 5) * np.exp(-np.arange(0, 25, T_R) / 0.9)
    made = np.convolve(box, kernel)[:T]
    return (made - made.mean()) / made.std()


def _courses(fits, rng):
    for fit in fits:
        if fit["seed"] or fit["beta"] in (0.0, 0.5, 2.0):
            continue  # enough for what is drawn
        for name in SUBTASKS:
            regressor = _response(name)
            noise = np.convolve(rng.normal(size=T + 8), np.hanning(9), "valid")
            r = min(max(fit["r"], 0), 0.95)
            value = r * regressor + np.sqrt(1 - r**2) * noise / noise.std()
            for i, (f, g) in enumerate(zip(value / value.std(), regressor, strict=True)):
                yield _key(fit) | {"subtask": name, "design": 0, "frame": i, "factor_value": f, "regressor": g}


def _score(fit, rng) -> dict:
    vae = fit["model"] in VAES
    beta = 0.0 if np.isnan(fit["beta"]) else fit["beta"]
    nats = {"kl": 1.9, "mi": 1.2, "tc": 0.62 / (1 + beta), "dimension_wise": 0.4, "mean_log_sigma": -1.1 + 0.2 * beta,
            "factor_r": 0.21 / (1 + beta), "active_units": fit["k"], "collapsed": 0,
            "parameters": 76_294_656 if fit["model"] == "linear" else 251_344, "best_step": 190}  # fmt: skip
    return {"setting": f"β {beta:g}"} | _key(fit) | {
        "r2_train": fit["r2"] + 0.03, "r2_validation": fit["r2"] + 0.01, "r2_test": fit["r2"] + rng.normal(0, 0.002),
        "gap": 0.03, "pca_r2_test": 0.211, "pca_r2_train": 0.23, "mse_test": 0.8,
        **{name: value if vae else np.nan for name, value in nats.items()}, "r_test": fit["r"],
        "r_paper": fit["r"] + 0.03, "readout": 0.68, "chance": 0.23, "seconds": 61.0,
    }  # fmt: skip


def _map_scores(fit, models, rng):
    vae = fit["model"] in VAES
    for name, reading in product(SUBTASKS, ("variance", "sd") if vae else ("signed", "abs")):
        r = fit["r"] + 0.2 + rng.normal(0, 0.03)
        hemi = "L" if name.startswith("right") else "R"
        yield _key(fit) | {
            "subtask": name, "factor": SUBTASKS.index(name), "sign": 1, "reading": reading, "r_all": r - 0.1,
            "r_top10": r, "r_top5": r - 0.04, "r_top1": r - 0.3, "sparsity": 0.4,
            "spread_mm": models[fit["model"]][2] + rng.normal(), "lateralisation": 0.6 if hemi == "L" else -0.6,
            "peak_hemi": hemi, "peak_vertex": 123, "reference": name,
        }  # fmt: skip


def _surface(folder, models, k, rng) -> dict:
    hemi, vertex = region()
    rows = [{"hemi": h, "vertex": v, "label": "7Networks_2"} for h, v in zip(hemi, vertex, strict=True)]
    n = [int((hemi == side).sum()) for side in "LR"]
    info = {"space": "fsLR", "mesh_left": 32492, "mesh_right": 32492, "n_left": n[0], "n_right": n[1],
            "label": "7Networks_2", "label_file": "packaged"}  # fmt: skip
    truth = patches()
    np.save(folder / "truth.npy", truth.astype(np.float32))
    maps, labels = [], []
    blurred = patches(16)
    for model in (name for name in models if name in ("TI-VAE-S", "TI-VAE-F", TEMPORAL, SPATIAL)):
        made = np.zeros((k, len(hemi)))
        made[:5] = (blurred if model == TEMPORAL else truth) + 0.25 * blurred[::-1]
        made += 0.06 * np.sin(places() @ rng.normal(0, 0.08, (3, k))).T
        if model in VAES:
            made = made**2
        else:
            made[::2] *= -1  # as `sign` of the scores says
        np.save(folder / f"maps-{len(maps)}.npy", made.astype(np.float32))
        maps.append(folder / f"maps-{len(maps)}.npy")
        labels.append(f"{model} k={k}" + (" beta=1 seed=0" if model in BETAS else ""))
    return {
        "vertices": write_table(folder / "vertices.tsv", rows), "region": _json(folder / "region.json", info),
        "surfaces": surfaces_for("fsLR", (32492, 32492), "inflated"),
        "folded": surfaces_for("fsLR", (32492, 32492), "midthickness"), "maps": tuple(maps),
        "map_models": tuple(labels), "truth": folder / "truth.npy",
        "truth_names": write_table(folder / "truth.tsv", [{"index": i, "name": s} for i, s in enumerate(SUBTASKS)]),
    }  # fmt: skip


def _clusterings(folder, functional: bool) -> dict:
    from scipy.cluster.vq import kmeans2

    hemi, _ = region()
    names = ("structural", "functional", "random") if functional else ("structural", "random")
    found = {"clusters": [], "clusters_quality": [], "clusters_info": []}
    for name in names:
        labels = np.zeros(len(hemi), np.int32)
        for side in "LR":
            here = hemi == side
            scale = {"structural": 1, "functional": np.array([1, 0.4, 0.5])}.get(name, 1)
            made = kmeans2(places()[here] * scale, 32, seed=0, minit="++")[1]
            labels[here] = np.random.default_rng(0).permutation(made) if name == "random" else made
        np.save(folder / f"clusters-{name}.npy", labels)
        rows = [
            {"hemi": side, "cluster": c, "size": int((labels[hemi == side] == c).sum()),
             "pieces": 40 if name == "random" else 1, "strays": 0}
            for side, c in product("LR", range(32))
        ]  # fmt: skip
        sizes = [row["size"] for row in rows]
        info = {"method": name, "n_clusters": 32, "seed": 0, "size_min": min(sizes),
                "size_median": float(np.median(sizes)), "size_max": max(sizes),
                "padding": 1.46, "contiguous_share": 0.0 if name == "random" else 0.98,
                "strays": 9}  # fmt: skip
        found["clusters"].append(folder / f"clusters-{name}.npy")
        found["clusters_quality"].append(write_table(folder / f"clusters-{name}.tsv", rows))
        found["clusters_info"].append(_json(folder / f"clusters-{name}.json", info))
    geodesics = _json(folder / "geodesics.json", {"limit_mm": 15.0, "diagonals": True, "n_subjects": 1})
    return {name: tuple(paths) for name, paths in found.items()} | {"cluster_names": names, "geodesics_info": geodesics}


def _embeddings(folder, models, k, rng) -> dict:
    names = [name for name in ("TI-VAE-S", "TI-VAE-F", TEMPORAL) if name in models]
    found = {"embedding": [], "distances": [], "silhouette": []}
    t = np.arange(T) * T_R
    block = np.full(T, "", dtype=object)
    opacity = np.ones(T)
    for name, onsets in ONSETS.items():
        for onset in onsets:
            at = np.flatnonzero((t >= onset) & (t < onset + 12))
            block[at], opacity[at] = (
                name,
                np.clip(np.minimum(np.arange(len(at)), np.arange(len(at))[::-1]) / 10 + 0.5, 0, 1),
            )
    centres = {name: rng.normal(0, 12, 2) for name in SUBTASKS}
    for i, _ in enumerate(names):
        path = np.cumsum(rng.normal(0, 1.5, (T, 2)), axis=0)
        xy = np.array([centres[b] if b else p for b, p in zip(block, path, strict=True)])
        xy = np.stack([np.convolve(column, np.ones(6) / 6, "same") for column in xy.T], 1) + rng.normal(0, 0.6, (T, 2))
        rows = [{"frame": f, "design": 0, "x": x, "y": y, "block": b or "n/a", "opacity": o}
                for f, ((x, y), b, o) in enumerate(zip(xy, block, opacity, strict=True))]  # fmt: skip
        pairs = [{"first": a, "second": b, "distance": float(np.linalg.norm(centres[a] - centres[b]) / 10)}
                 for j, a in enumerate(SUBTASKS) for b in SUBTASKS[j + 1 :]]  # fmt: skip
        quality = [{"space": s, "value": v - 0.03 * i, "null_mean": 0.02, "null_sd": 0.03, "p": 0.002}
                   for s, v in (("factors", 0.31), ("t-SNE", 0.42))]  # fmt: skip
        found["embedding"].append(write_table(folder / f"embedding-{i}.tsv", rows))
        found["distances"].append(write_table(folder / f"distances-{i}.tsv", pairs))
        found["silhouette"].append(write_table(folder / f"silhouette-{i}.tsv", quality))
    labels = tuple(f"{name} k={k}" + (" beta=1 seed=0" if name in BETAS else "") for name in names)
    return {name: tuple(paths) for name, paths in found.items()} | {"embedding_models": labels}


def _records(folder, sizes) -> dict:
    parts = {"input layers": 48_128, "encoder mixers": 44_193, "encoder output": 4_160, "gru": 98_688, "factors": 2_064,
             "decoder input": 1_152, "decoder mixers": 44_193, "output layers": 8_766}  # fmt: skip
    config = {"kind": "tivae", "network": "mixer", "latent_dim": sizes[0], "beta": 1.0, "n_clusters": 32,
              "parameters": sum(parts.values()), "parameters_by_part": parts, "recipe": {"name": "fast"},
              "initialisation": "lsuv", "device": "cpu", "threads": 1}  # fmt: skip
    linear = {**config, "network": "linear", "parameters": 76_294_656,
              "parameters_by_part": {"encoder": 3_100_000, "gru": 98_688, "decoder": 3_100_000}}  # fmt: skip
    split = [{"label": f"sub-{s:03d}", "person": f"sub-{s:03d}",
              "part": "train" if s < 32 else "validation" if s < 37 else "test"} for s in range(46)]  # fmt: skip
    series = {
        "t_r": T_R,
        "n_frames": T,
        "n_vertices": 11960,
        "n_flat": 0,
        "source": "x.dtseries.nii",
        "dtype": "float32",
    }
    return {
        "configs": (_json(folder / "model.json", config), _json(folder / "linear.json", linear)),
        "config_names": ("TI-VAE-S k=8", "linear k=8"), "subject_split": write_table(folder / "split.tsv", split),
        "series_info": _json(folder / "series.json", series),
    }  # fmt: skip


def _json(path, content) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="session")
def motor_of(tmp_path_factory):
    """Fields of a `MotorReport` by what is made different."""
    made: dict[tuple, dict] = {}

    def fields(**different) -> dict:
        key = tuple(sorted(different.items()))
        if key not in made:
            made[key] = write_motor(tmp_path_factory.mktemp("motor"), **different)
        return made[key]

    return fields
