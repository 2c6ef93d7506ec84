"""Tables and images of a structural run, written as the steps write them: a made brain with planted differences."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.bids.tables import write_table
from pydra_vae.images.volumes import unmask

SHAPE = (19, 23, 19)
AFFINE = np.array([[8.0, 0, 0, -72], [0, 8, 0, -104], [0, 0, 8, -60], [0, 0, 0, 1]])
K = 6
PERSONS = {"train": 42, "validation": 6, "test": 12}
TARGETS = ("age", "sex", "score")
FITS = (  # setting, reconstruction, divergence, beta, mmd_weight, r2, ssim, kl, ratio, swap
    ("KL β 10", "mse", "kl", 10.0, 0.0, 0.88, 0.91, 60.0, 0.9, 20.0),
    ("KL β 1", "mse", "kl", 1.0, 0.0, 0.885, 0.912, 120.0, 0.92, 22.0),
    ("MMD λ 2000", "mse", "mmd", 0.0, 2000.0, 0.87, 0.908, 45.0, 0.85, 19.0),
    ("DSSIM, KL β 10", "dssim", "kl", 10.0, 0.0, 0.85, 0.905, 55.0, 0.86, 17.0),
    ("KL β 10000", "mse", "kl", 1e4, 0.0, 0.001, 0.6, 0.4, 0.001, 1.0),
)  # fmt: skip


def brain() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mask, mean image and maps (3, V) of three planted differences: ventricles, left side, top."""
    x, y, z = (np.linspace(-1, 1, n)[tuple(None if i != a else slice(None) for i in range(3))] for a, n in
               enumerate(SHAPE))  # fmt: skip
    radius = np.sqrt((x / 0.85) ** 2 + (y / 0.92) ** 2 + (z / 0.85) ** 2)
    mask = radius < 1
    inner = np.exp(-((x / 0.25) ** 2 + (y / 0.35) ** 2 + (z / 0.3) ** 2))
    mean = 0.75 - 0.5 * inner - 0.25 * np.abs(radius - 0.6) + 0.05 * np.sin(9 * x) * np.cos(9 * y)
    maps = [
        -inner,
        -np.exp(-(((x + 0.5) / 0.3) ** 2 + (y / 0.4) ** 2 + ((z + 0.3) / 0.3) ** 2)),
        (z - z.mean()) * radius,
    ]
    return mask, mean[mask], np.array([0.12 * m[mask] for m in maps])


@pytest.fixture(scope="session")
def structural(tmp_path_factory) -> dict:
    """Fields of `StructuralReport`, complete."""
    return write_structural(tmp_path_factory.mktemp("structural"))


def write_structural(folder: Path) -> dict:
    """Write everything that a page can show."""
    rng = np.random.default_rng(0)
    mask, mean, maps = brain()
    people = [(f"sub-{i:02d}", part) for i, part in enumerate(p for p, n in PERSONS.items() for _ in range(n))]
    z = rng.standard_normal((len(people), K))
    images = (mean + z[:, :3] @ maps + 0.02 * rng.standard_normal((len(people), mean.size))).astype(np.float32)
    fields = _space(folder, mask, mean)
    fields |= _people(folder, people, z)
    fields |= _fits(folder, images, mean, z, maps)
    fields |= _search(folder, rng)
    fields |= _latents(folder, images, mean, z, maps, rng)
    fields |= _regression(folder, people, z, rng)
    fields |= _joint(folder, people, z, maps, mean, rng)
    fields |= _visits(folder, maps, mean)
    fields |= _networks(folder, mask, maps, rng)
    rows = [
        {"model": model, "target": target, "kind": kind, "r": r - 0.05 * i, "r2": r**2, "best_single_r": 0.6,
         "best_latent": i, "control_r": 0.3, "n_train": 48, "n_test": 12}
        for model, r in (("VAE KL β 10", 0.95), ("PCA-6", 0.94)) for i, target in enumerate(("ventricles",
        "hippocampus"))
        for kind in ("linear", "kernel")
    ]  # fmt: skip
    fields["recovery"] = write_table(folder / "recovery.tsv", rows)
    return fields


def _space(folder: Path, mask, mean) -> dict:
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), AFFINE), folder / "mask.nii.gz")
    nib.save(nib.Nifti1Image(unmask(mean.astype(np.float32), mask), AFFINE), folder / "mean.nii.gz")
    info = {"n_images": 60, "n_voxels": int(mask.sum()), "voxel_size_mm": [8, 8, 8], "unit": "probability"}
    return {
        "mask": folder / "mask.nii.gz",
        "mean": folder / "mean.nii.gz",
        "volumes_info": save_json(folder / "volumes.json", info),
        "mask_info": save_json(folder / "mask.json", {"rule": "mean of the training images > 0.08"}),
    }


def save_json(path: Path, content) -> Path:
    path.write_text(json.dumps(content))
    return path


def save_array(path: Path, values) -> Path:
    np.save(path, np.asarray(values, dtype=np.float32))
    return path


def _people(folder: Path, people, z) -> dict:
    split = [{"label": label, "person": label, "part": part} for label, part in people]
    covariates = [
        {"label": label, "person": label, "session": None, "age": 60 + 9 * z[i, 0], "sex": "FM"[int(z[i, 3] > 0)],
         "score": 20 + 4 * z[i, 0] * z[i, 1], "constant": 1}
        for i, (label, _) in enumerate(people)
    ]  # fmt: skip
    return {
        "subject_split": write_table(folder / "subject_split.tsv", split),
        "covariates": write_table(folder / "covariates.tsv", covariates),
    }


def _fits(folder: Path, images, mean, z, maps) -> dict:
    rows, verdicts, histories, configs = [], [], [], []
    for i, (setting, loss, divergence, beta, weight, r2, ssim, kl, ratio, swap) in enumerate(FITS):
        collapsed = ratio < 0.05
        rows.append({
            "model": "VAE", "setting": setting, "network": "conv-dense", "k": K, "width": 8, "reconstruction": loss,
            "divergence": divergence, "beta": beta, "mmd_weight": weight, "learning_rate": 0.002, "batch_size": 32,
            "seed": 0, "r2_train": r2 + 0.02, "r2_validation": r2 + 0.005, "r2_test": r2, "r2_validation_se": 0.012,
            "r2_test_se": 0.011, "gap": 0.02, "mse_test": 0.002, "ssim_test": ssim, "pca_r2_test": 0.8,
            "pca2_r2_test": 0.89, "pca_r2_train": 0.83, "pca_r2_validation": 0.81, "pca_ssim_test": 0.88,
            "pca2_ssim_test": 0.915, "mean_ssim_test": 0.6, "kl": kl, "mi": min(kl * 0.5, 4.0), "tc": kl * 0.2,
            "dimension_wise": kl - min(kl * 0.5, 4.0) - kl * 0.2, "mi_ceiling": 4.1, "mi_gaussian": kl * 0.4,
            "mmd": 0.001, "active_units": 0 if collapsed else K, "informative_units": 0 if collapsed else K,
            "variance_ratio": ratio, "swap_ratio": swap, "collapsed": collapsed, "over_regularised": False,
            "overfitted": False, "parameters": 123456, "best_step": 450, "steps": 500, "seconds": 12.5,
        })  # fmt: skip
        verdict = {
            "collapsed": collapsed, "over_regularised": False, "active_units": 0 if collapsed else K,
            "informative_units": 0 if collapsed else K, "reasons": ["variance ratio 0.00"] if collapsed else [],
            "advice": "lower the KL weight" if collapsed else "",
            "overfitting": {"overfitted": False, "gap": 0.02, "pca_gap": 0.03, "reasons": [], "advice": ""},
            "warnings": [{"code": "few_images", "severity": "mild", "text": "42 training images are few"}],
        }  # fmt: skip
        verdicts.append(save_json(folder / f"verdict-{i}.json", verdict))
        steps = np.arange(0, 501, 25)
        history = [
            {"step": int(s), "lr": 0.002, "train_r2": r2 * (1 - np.exp(-s / 90)) + 0.02,
             "val_r2": None if s % 50 else r2 * (1 - np.exp(-s / 100)),
             "mmd_ratio": 0.02 if divergence == "mmd" else None,
             "mmd_weight_paper": 1e5 if divergence == "mmd" else None}
            for s in steps
        ]  # fmt: skip
        histories.append(write_table(folder / f"history-{i}.tsv", history))
        configs.append(save_json(folder / f"model-{i}.json", {"latent_dim": K, "device": "cpu", "recipe": {}}))
    shown = images[-6:]
    good = mean + z[-6:, :3] @ maps
    label = [f"sub-{i:02d}" for i in range(54, 60)]
    table = [
        {"row": r, "label": label[r % 6], "kind": kind, "r2": 0.9 - 0.03 * (r % 6), "ssim": 0.9}
        for r, kind in enumerate(["input"] * 6 + ["reconstruction"] * 6)
    ]
    examples = [(shown, good), (shown, np.tile(mean, (6, 1)))]
    return {
        "scores": write_table(folder / "scores.tsv", rows),
        "verdicts": tuple(verdicts), "histories": tuple(histories), "configs": tuple(configs),
        "fit_names": tuple(setting for setting, *_ in FITS),
        "examples": tuple(save_array(folder / f"examples-{i}.npy", np.concatenate(e)) for i, e in enumerate(examples)),
        "examples_tables": tuple(write_table(folder / f"examples-{i}.tsv", table) for i in range(2)),
        "example_names": (FITS[0][0], FITS[-1][0]),
    }  # fmt: skip


def _search(folder: Path, rng) -> dict:
    rows = []
    for i, (k, beta) in enumerate((k, b) for k in (4, 6, 12) for b in (1.0, 10.0, 100.0)):
        kl = 10 * k / beta**0.4
        rows.append({
            "model": "VAE", "setting": f"k {k}, β {beta:g}", "k": k, "beta": beta, "learning_rate": 0.002,
            "r2_validation": 0.9 - 1.5 / kl, "r2_validation_se": 0.012, "kl": kl, "mi": 4.0, "tc": 0.3 * kl,
            "dimension_wise": 0.7 * kl - 4.0, "variance_ratio": 0.8, "swap_ratio": 10.0, "collapsed": False,
            "over_regularised": beta > 50 and k < 6, "pareto": True, "chosen": i == 4,
        })  # fmt: skip
    return {
        "trials": write_table(folder / "trials.tsv", rows),
        "chosen": write_table(folder / "chosen.tsv", [row for row in rows if row["chosen"]]),
    }


def _latents(folder: Path, images, mean, z, maps, rng) -> dict:
    effects = np.concatenate([maps, 0.02 * rng.standard_normal((K - 3, mean.size))])
    values = np.linspace(-2, 2, 5)
    steps = [{"latent": i, "step": s, "value_sd": v, "row": 5 * i + s} for i in range(K) for s, v in enumerate(values)]
    table = [
        {"latent": i, "order": i + 1, "variance_share": 0.4 / (i + 1), "kl": 9 - i, "sd": 1.0, "posterior_sd": 0.1,
         "mean_abs_change_per_sd": 0.01, "r2_lost": 0.2 / (i + 1), "r2": 0.88, "n_train": 42, "n_test": 12}
        for i in range(K)
    ]  # fmt: skip
    correlations = {
        model: [
            {"model": model, "latent": i, "with": name, "kind": kind, "type": "number",
            "r": r * (0.8 if i == j else 0.1),
             "rho": 0.1, "eta2": None, "f": None, "n": 60, "p": 0.001, "q": 0.004 if i == j else 0.6,
             "significant": int(i == j)}
            for i in range(K) for j, (name, kind) in enumerate(
                [("age", "covariate"), ("score", "covariate"), ("Left_Hippocampus", "region"), ("Ventricles",
                "region")])
        ]
        for model, r in (("VAE", 1.0), ("PCA-6", 0.9))
    }  # fmt: skip
    draws = [
        {"source": source, "n": 200, "mean": 0.5, "sd": 0.05, "total": 650, "total_sd": 30,
         "voxel_mean_error": 0.1 + 0.02 * i, "voxel_variance_ratio": 1 - 0.1 * i, "variance_map_r": 0.9,
         "spectrum_distance": 0.1 * (i + 1), "out_of_range": 0.001, "impossible": 0.0, "nearest_image": 1.0,
         "novelty": 1.0}
        for i, source in enumerate(("data", "reconstruction", "prior", "gmm", "gaussian", "pca-gaussian"))
    ]  # fmt: skip
    drawn = [{"row": i, "source": s, "nearest_label": "sub-01", "nearest_image": 1.0} for i, s in
             enumerate(s for s in ("prior", "gmm", "pca-gaussian") for _ in range(4))]  # fmt: skip
    ways = [
        {"pair": pair, "step": max(0, min(s - 1, 4)), "share": max(0, min(s - 1, 4)) / 4, "row": 7 * pair + s,
         "kind": "image" if s in (0, 6) else "decoded", "label_a": f"sub-5{pair}", "label_b": f"sub-4{pair}",
         "latent_distance": 5.0, "to_linear": None if s in (0, 6) else 0.04}
        for pair in range(2) for s in range(7)
    ]  # fmt: skip
    maps_ = [
        {"method": m, "dims": K, "part": part, "n": 12, "n_train": 42, "trustworthiness": t, "continuity": t,
         "knn_overlap": t / 2, "stress": 0.1, "out_of_sample": "projection", "knn_r2_age": 0.4, "knn_r2_score": 0.1}
        for m, t in (("PCA", 0.9), ("VAE", 0.93), ("MDS", 0.91), ("LLE", 0.8), ("Isomap", 0.88), ("random", 0.7),
                     ("images", 1.0)) for part in ("train", "test")
    ]  # fmt: skip
    places = [
        {"method": m, "label": f"sub-{i:02d}", "person": f"sub-{i:02d}", "part": "train", "x": z[i, 0], "y": z[i,
        j + 1]}
        for j, m in enumerate(("PCA", "VAE", "MDS", "LLE", "Isomap")) for i in range(len(z))
    ]  # fmt: skip
    dimension = [
        {"space": space, "control": control, "n": 60, "dims": dims, "twonn": t, "lower": t - 1, "upper": t + 1,
         "participation_ratio": t * 0.6}
        for space, dims in (("images", 59), ("PCA-6 scores", 6), ("VAE latents", 6))
        for control, t in (("none", 6.0), ("gaussian", 9.0), ("shuffled", 10.0))
    ]  # fmt: skip
    shells = [
        {"space": space, "control": control, "n": 60, "dims": 6, "radius_mean": 2.35, "radius_sd": 0.7, "sqrt_d": 2.45,
         "expected_mean": 2.35, "expected_sd": 0.69, "shell_share": 0.3, "shell_share_gaussian": 0.28,
         "shell_share_ball": 0.47, "shell_share_printed": 0.6}
        for space in ("VAE latents", "VAE latents, whitened", "PCA-6 scores, whitened") for control in ("none",
        "gaussian")
    ]  # fmt: skip
    walks = np.concatenate([mean + v * effects[i] for i in range(K) for v in [values[:, None]]])
    return {
        "latents": save_array(folder / "latents.npy", z),
        "effects": save_array(folder / "effects.npy", effects),
        "traversals": save_array(folder / "traversals.npy", walks),
        "traversal_steps": write_table(folder / "steps.tsv", steps),
        "traversal_table": write_table(folder / "table.tsv", table),
        "correlations": tuple(write_table(folder / f"correlations-{m}.tsv", t) for m, t in correlations.items()),
        "draws": write_table(folder / "draws.tsv", draws),
        "drawn": save_array(folder / "drawn.npy", images[:12]),
        "drawn_table": write_table(folder / "drawn.tsv", drawn),
        "interpolation": save_array(folder / "ways.npy", images[:14]),
        "interpolation_table": write_table(folder / "ways.tsv", ways),
        "embeddings": write_table(folder / "embeddings.tsv", maps_),
        "embedding_table": write_table(folder / "places.tsv", places),
        "dimension": write_table(folder / "dimension.tsv", dimension),
        "shells": write_table(folder / "shells.tsv", shells),
    }


def _regression(folder: Path, people, z, rng) -> dict:
    truth = {"age": 60 + 9 * z[:, 0], "sex": (z[:, 3] > 0).astype(float), "score": 20 + 4 * z[:, 0] * z[:, 1]}
    files: dict[str, list] = {"regression": [], "regression_predictions": [], "regression_importance": []}
    for target, y in truth.items():
        scores, predictions, importance = [], [], []
        for features, model in [
            ("none", "mean"),
            *((f, m) for f in ("VAE", "PCA-6", "PCA-12") for m in ("glm", "svr")),
        ]:
            noise = {"mean": 1.5, "glm": 0.9 if target == "score" else 0.5, "svr": 0.3}[model]
            predicted = (
                y + noise * y.std() * rng.standard_normal(len(y)) if model != "mean" else np.full(len(y), y.mean())
            )
            classes = target == "sex"
            scores.append({
                "features": features, "model": model, "link": "identity", "target": target, "confounds": None,
                "metric": "auc" if classes else "r2", "n": 48, "r2": 1 - noise**2 if model != "mean" else 0.0,
                "r2_se": 0.05,
                "r": 0.8, "mae": 4.0, "auc": 0.9 - noise / 4 if classes else None,
                "balanced_accuracy": 0.8 if classes else None, "p_permutation": None if model == "mean" else 0.0099,
                "chance": 0.5 if classes else -0.1, "n_test": 12, "r2_test": 0.7, "p_test": 0.0099,
                "auc_test": 0.8 if classes else None, "gap_r_with_age": -0.5 if target == "age" else None,
                "mae_corrected": 3.0 if target == "age" else None,
            })  # fmt: skip
            for i, (label, part) in enumerate(people):
                row = {"label": label, "person": label, "part": part, "target": target, "features": features,
                       "model": model, "fold": "test" if part == "test" else i % 5, "observed": y[i],
                       "predicted": predicted[i], "baseline": y.mean()}  # fmt: skip
                extra = {"corrected": predicted[i] - 0.1 * (y[i] - 60), "gap": 0.0} if target == "age" else {}
                predictions.append(row | extra)
            importance += [] if model == "mean" else [
                {"target": target, "features": features, "model": model, "latent": i, "importance": 0.3 / (i + 1),
                "sd": 0.02,
                 "coefficient": 0.1 * i if model == "glm" else None} for i in range(K)
            ]  # fmt: skip
        for name, rows in zip(files, (scores, predictions, importance), strict=True):
            files[name].append(write_table(folder / f"{name}-{target}.tsv", rows))
    return {name: tuple(paths) for name, paths in files.items()}


def _joint(folder: Path, people, z, maps, mean, rng) -> dict:
    test = [i for i, (_, part) in enumerate(people) if part == "test"]
    y = 20 + 4 * z[test, 0]
    methods = {"two-stage": 0.4, "same head on latents": 0.45, "same head on PCA": 0.5, "ridge": 0.8, "mean": 1.0}
    rows = [
        {"direction": "image → score", "source": "image", "target": "score", "method": m, "region": "whole", "n": 12,
         "r2": 1 - e**2, "r": 0.8, "mae": 2.0}
        for m, e in methods.items()
    ] + [
        {"direction": f"{source} → image", "source": source, "target": "image", "method": m, "region": region, "n": 12,
         "r2": r2, "r": None, "mae": None}
        for source, scale in (("scores", 1.0), ("both", 5.0)) for m, r in (("two-stage", 0.08), ("ridge", 0.06),
        ("ceiling", 0.16))
        for region, r2 in (("whole", scale * r), ("planted", 2 * scale * r))
    ]  # fmt: skip
    predictions = [
        {"label": people[i][0], "person": people[i][0], "score": "score", "source": "image", "method": m,
        "observed": y[j],
         "predicted": y[j] + e * 4 * rng.standard_normal()}
        for m, e in methods.items() for j, i in enumerate(test)
    ]  # fmt: skip
    table = [{"row": i, "score": "score", "level": level, "value": 16 + 8 * i, "sd": i} for i, level in
             enumerate(("low", "high"))]  # fmt: skip
    config = {"stages": "two", "fusion": "poe", "score_weight": 1.0, "scores": ["score"]}
    return {
        "joint": (write_table(folder / "joint.tsv", rows),),
        "joint_predictions": (write_table(folder / "joint-predictions.tsv", predictions),),
        "joint_decoded": (save_array(folder / "joint.npy", [mean - maps[0], mean + maps[0]]),),
        "joint_tables": (write_table(folder / "joint-table.tsv", table),),
        "joint_configs": (save_json(folder / "joint.json", config),),
    }


def _visits(folder: Path, maps, mean) -> dict:
    scores = [
        {"method": m, "region": region, "mse": 0.001 * r, "ratio_to_carry_forward": r, "ratio_low": r - 0.08,
         "ratio_high": r + 0.08, "p": 0.01, "n": 18}
        for region, scale in (("whole", 1.0), ("changing", 0.7))
        for m, r in (("carry_forward", 1.0), ("decoded_difference", 0.8 * scale), ("decoded_prediction", 1.4 * scale),
                     ("voxel_slope", 0.9 * scale))
    ]  # fmt: skip
    coefficients = [
        {"latent": i, "intercept": 0.0, "slope_per_year": 0.05 / (i + 1), "se": 0.01, "p": 0.001 * (i + 1), "q": 0.01,
         "sd_intercept": 1.0, "sd_slope": 0.02}
        for i in range(K)
    ]  # fmt: skip
    frozen = [
        {"latent": i, "region": region, "loss": 0.1 / (i + 1)} for region in ("whole", "changing") for i in range(K)
    ]
    ages = np.linspace(50, 80, 4)
    images = mean + (ages[:, None] - 50) / 30 * maps[0]
    return {
        "longitudinal_scores": write_table(folder / "visits.tsv", scores),
        "longitudinal_coefficients": write_table(folder / "coefficients.tsv", coefficients),
        "longitudinal_frozen": write_table(folder / "frozen.tsv", frozen),
        "progression": save_array(folder / "progression.npy", images),
        "progression_table": write_table(
            folder / "progression.tsv",
            [{"row": i, "kind": "between", "age": a, "years": a - 50} for i, a in enumerate(ages)],
        ),
    }


def _networks(folder: Path, mask, maps, rng) -> dict:
    names = ("VAE", "ICA-3")
    networks = ("visual", "motor")
    best = [
        {"model": m, "network": n, "component": i + 1, "r": r - 0.1 * i, "dice": 0.5, "p_best": 0.002, "r_all": 0.9,
         "r_all_null": 0.2, "p_all": 0.002, "component_one_to_one": i + 1, "r_one_to_one": r}
        for m, r in zip(names, (0.7, 0.85), strict=True) for i, n in enumerate(networks)
    ]  # fmt: skip
    overlap = [
        {"model": m, "component": c + 1, "network": n, "r": 0.5, "dice": 0.4, "rank": 1, "r_patches": 0.5, "p": 0.01}
        for m in names for c in range(3) for n in networks
    ]  # fmt: skip
    courses, task = [], []
    for name in names:
        rows = [{"model": name, "component": c + 1, "run": 0, "frame": t, "value": np.sin(t / (c + 3))}
        for c in range(3)
                for t in range(60)]  # fmt: skip
        courses.append(write_table(folder / f"courses-{name}.tsv", rows))
        rows = [
            {"model": name, "component": c + 1, "condition": "any condition", "r": 0.5 / (c + 1), "p_shift": 0.01,
             "p_any": 0.03, "chance": 0.2, "n_frames": 60, "n_shifts": 100}
            for c in range(3)
        ]  # fmt: skip
        task.append(write_table(folder / f"task-{name}.tsv", rows))
    row = {"model": "VAE", "setting": "", "k": 3, "r2_test": 0.4, "pca_r2_test": 0.42, "pca2_r2_test": 0.5}
    return {
        "network_names": names,
        "network_maps": tuple(save_array(folder / f"maps-{n}.npy", 30 * maps) for n in names),
        "network_courses": tuple(courses),
        "network_task": tuple(task),
        "network_overlap": write_table(folder / "overlap.tsv", overlap),
        "network_best": write_table(folder / "best.tsv", best),
        "network_mask": folder / "mask.nii.gz",
        "network_mean": folder / "mean.nii.gz",
        "network_scores": write_table(folder / "network-scores.tsv", [row]),
    }
