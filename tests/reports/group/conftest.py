"""Tables of a group, written as the steps write them, with numbers that a real group could have."""

import json
from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from safetensors.numpy import save_file

from pydra_vae.bids.tables import write_table

NETWORKS = (
    "VisCent", "VisPeri", "SomMotA", "SomMotB", "DorsAttnA", "DorsAttnB", "SalVentAttnA", "SalVentAttnB", "LimbicA",
    "LimbicB", "ContA", "ContB", "ContC", "DefaultA", "DefaultB", "DefaultC", "TempPar",
)  # fmt: skip
SIZES = (2, 4, 6, 9, 12, 16)
KINDS = ("shared_decoder", "subject_decoders", "pooled")
PARCELS = 68
# Representation: disparity between subjects, of one subject's two fits; the same of r between distance matrices.
ALIGNED = {
    "cvae": (0.62, 0.55, 0.58, 0.71), "cvae whitened": (0.66, 0.57, 0.58, 0.71),
    "pca whitened": (0.55, np.nan, 0.66, np.nan), "diffusion": (0.41, np.nan, 0.79, np.nan),
}  # fmt: skip


def write_group(folder: Path, n: int) -> dict:
    """Fields of `GroupReport` for n subjects; those of groups only from two subjects on."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(n)
    labels = [f"sub-{s + 1:02d}" for s in range(n)]
    tables = {**_metrics(labels, rng), **_fits(labels, rng), **_latents(labels, rng), **_trust(labels, rng)}
    if n > 1:
        tables |= {**_transfer(labels, rng), **_aligned(labels, rng), **_group(labels, rng)}
    written = {name: write_table(folder / f"{name}.tsv", table) for name, table in tables.items()}
    metrics = written.pop("metrics")
    share = {name: round(float(v), 4) for name, v in zip(NETWORKS, rng.uniform(0.1, 0.75, 17), strict=True)}
    choice = {"size": 9, "low": 6, "high": 12, "rule": "elbow of the mean validation error",
              "shares": {"4": 0.0, "6": 0.12, "9": 0.71, "12": 0.1},
              "verdict": "elbow", "sentence": "an elbow at 9", "pca_sentence": "an elbow at 12",
              "pca_size": 12, "n_curves": 2 * n, "near_size": 12, "near_low": 9, "near_high": 12, "near_within": 0.05,
              "near_sentence": "12 is the smallest size with an error within 5 % of that at 16",
              "pca_near_size": 16}  # fmt: skip
    files = {
        "choice": _json(folder / "choice.json", choice),
        "stimulus": _json(folder / "stimulus.json", {"ShareOfNeuralVariance": share}),
        "matrices": _matrices(folder / "matrices.safetensors", rng),
        **_maps(folder, np.random.default_rng(0)),  # the same of any n, so that they are drawn once
    }
    return {"metrics": (metrics,), **written, **files}


def _json(path, content) -> Path:
    path.write_text(json.dumps(content))
    return path


def _each(labels, rows) -> list[dict]:
    return [{"participant_id": label, **row} for label in labels for row in rows()]


def _metrics(labels, rng) -> dict:
    models = {"input": 0, "cvae": 0.0125, "pca-9 = ica-9": 0.0165, "pca-16": 0.0144, "shrinkage": 0.0051,
              "voxel mean": 0.0223}  # fmt: skip
    gains = {"cvae": 41, "pca-9 = ica-9": 84, "pca-16": 60, "shrinkage": 40}

    def rows():
        scale = rng.uniform(0.92, 1.08)
        for model, mse in models.items():
            mse = mse * scale * rng.uniform(0.97, 1.03)
            yield {
                "split": "random", "model": model, "mse_test": mse or np.nan, "mse_random": 0.99 * mse or np.nan,
                "emse_frame": 1.1 * mse or np.nan, "r2": 1 - mse / 0.0223 / scale, "variance_ratio": 0.53,
                "gain_mean": gains.get(model, np.nan) * rng.uniform(0.9, 1.1),
                "r_clean_mean": {"input": 0.74, "cvae": 0.91, "pca-9 = ica-9": 0.74}.get(model, np.nan),
            }  # fmt: skip

    return {"metrics": _each(labels, rows)}


def _score(rng, size=9, seed=0, **more) -> dict:
    mse, pca = (a + b / size for a, b in ((0.0102, 0.021), (0.0098, 0.06)))
    return {
        "setting": "", "latent_dim": size, "seed": seed, "network": "dense", "linear_skip": "none", "kl_weight": 0.0,
        "beta": np.nan, "mmd_weight": 0.0, "annealing": "linear", "mse_val": mse, "mse_test": mse * rng.normal(1, 0.02),
        "r2": 1 - mse / 0.0223, "pca_mse_val": pca, "pca_mse_test": pca * rng.normal(1, 0.01), "active_units": size,
        "kl_nats": np.nan, "variance_ratio": 0.5, "swap_ratio": 3.0, "collapsed": 0, "over_regularised": 0,
        "knn_accuracy": 0.31 + rng.normal(0, 0.01), "silhouette": -0.06, "best_step": 300, "seconds": 4.0, **more,
    }  # fmt: skip


def _fits(labels, rng) -> dict:
    sweep = _each(labels, lambda: (_score(rng, size, seed) for size, seed in product(SIZES, (0, 1))))
    curve = []
    for model, column in (("cvae", "mse_test"), ("pca", "pca_mse_test")):
        for size in SIZES:
            found = [row[column] for row in sweep if row["latent_dim"] == size]
            mean, sd = np.mean(found), np.std(found)
            curve.append({"model": model, "latent_dim": size, "mse_mean": mean, "mse_sd": sd, "mse_low": mean - 2 * sd,
                          "mse_high": mean + 2 * sd, "n": len(found)})  # fmt: skip
    settings = {
        "no KL": (1, 9, 0.31), "β 0.1": (1.02, 9, 0.32), "β 1": (1.11, 7, 0.34), "β 4": (1.32, 4, 0.3),
        "β 1, linear": (1.09, 7, 0.34), "β 1, cyclical": (1.1, 8, 0.33), "MMD 0.01": (1.01, 9, 0.31),
        "MMD 0.1": (1.03, 9, 0.32),
    }  # fmt: skip

    def divergence():
        for name, (error, active, accuracy) in settings.items():
            made = _score(rng, setting=name, active_units=active, kl_nats=0 if name == "no KL" else 12.0)
            yield made | {"mse_test": made["mse_test"] * error, "knn_accuracy": accuracy + rng.normal(0, 0.01)}

    surrogate = [row | {"mse_test": 0.998 * row["pca_mse_test"], "setting": "gaussian surrogate"} for row in
                 _each(labels, lambda: [_score(rng)])]  # fmt: skip
    return {"sweep": sweep, "curve": curve, "divergence": _each(labels, divergence), "surrogate": surrogate}


def _latents(labels, rng) -> dict:
    spaces = {"cvae": (0.24, 6.1, 4.3), "pca": (0.02, 7.9, 6.2), "diffusion": (0.08, 4.2, 2.6)}

    def structure():
        for space, (r, twonn, ratio) in spaces.items():
            made = r * rng.uniform(0.7, 1.4)
            yield {"space": space, "max_abs_r": made, "share_below_0.3": 1.0 if made < 0.3 else 0.97, "twonn": twonn,
                   "twonn_low": twonn - 0.4, "twonn_high": twonn + 0.4, "participation_ratio": ratio,
                   "n_dimensions": 9}  # fmt: skip
        yield {"space": "raw", "twonn": 24.0, "twonn_low": 22.0, "twonn_high": 27.0, "participation_ratio": 31.0,
               "n_dimensions": 1310}  # fmt: skip

        for space, r, twonn in (("cvae, rotated", 0.45, np.nan), ("cvae, gaussian", np.nan, 8.4)):
            yield {"space": space, "max_abs_r": r, "share_below_0.3": np.nan, "twonn": twonn, "twonn_low": twonn - 0.4,
                   "twonn_high": twonn + 0.4, "participation_ratio": np.nan, "n_dimensions": 9}  # fmt: skip

    def correlations():
        for space, (r, *_) in spaces.items():
            for first, second in ((a, b) for a in range(1, 10) for b in range(a + 1, 10)):
                yield {
                    "space": space,
                    "first": first,
                    "second": second,
                    "r": float(np.clip(rng.normal(0, r / 2), -1, 1)),
                }

    def dimensions():
        for space, moran, length in (("cvae", 0.42, 9), ("pca", 0.35, 8), ("diffusion", 0.71, 21)):
            for d in range(1, 10):
                yield {"space": space, "dimension": d, "sd": 1.0, "morans_i": moran + rng.normal(0, 0.06),
                       "morans_i_null_mean": 0.0, "morans_i_null_sd": 0.004, "p": 0.001,
                       "correlation_length_mm": length + rng.normal()}  # fmt: skip

    def matches():
        for z in range(1, 10):
            best = rng.uniform(0.2, 0.8)
            for g in range(1, 10):
                r = best if g == (z * 4) % 9 + 1 else rng.normal(0, 0.1)
                yield {"latent": z, "gradient": g, "r": r, "p_spatial": 0.001 if r > 0.5 else 0.2, "r_voxels": 0.9 * r,
                       "best": int(r == best), "p_best": 0.002 if best > 0.5 else 0.3, "r_all": 0.85,
                       "r_all_null": 0.4, "p_all": 0.001, "n_patches": 150}  # fmt: skip

    centres = rng.normal(0, 1.2, (17, 2))

    def views():
        for view in ("pca", "ica"):
            for i in range(500):
                x, y = centres[i % 17] * (1 if view == "pca" else 0.6) + rng.normal(size=2)
                yield {"view": view, "row": i, "i": 1, "network": NETWORKS[i % 17], "parcel": i % PARCELS + 1,
                       "x": x, "y": y}  # fmt: skip

    return {
        "structure": _each(labels, structure), "correlations": _each(labels, correlations),
        "dimensions": _each(labels, dimensions), "matches": _each(labels, matches), "views": _each(labels[:3], views),
        "separability": _each(labels, lambda: _separability(rng)), "geometry": _each(labels, lambda: _geometry(rng)),
        "latent_recovery": _each(labels, lambda: _recovery(rng)),
    }  # fmt: skip


def _separability(rng):
    spaces = {"raw": (1310, 0.29, -0.04), "pca": (9, 0.27, -0.1), "ica": (9, 0.26, -0.1), "diffusion": (9, 0.33, -0.15),
              "cvae": (9, 0.31, -0.06), "cvae whitened": (9, 0.32, -0.07), "mm": (3, 0.22, -0.2),
              "labels shuffled": (9, 0.06, -0.2)}  # fmt: skip
    for space, (size, accuracy, silhouette) in spaces.items():
        accuracy += rng.normal(0, 0.012)
        yield {"space": space, "n_dimensions": size, "silhouette": silhouette + rng.normal(0, 0.01),
               "knn_accuracy": accuracy, "knn_sd": 0.03, "probe_accuracy": accuracy + 0.04, "probe_sd": 0.03,
               "chance": 0.07, "variance_ratio": 0.4 * accuracy, "n_networks": 17, "n_parcels": PARCELS,
               "n_voxels": 4000}  # fmt: skip


def _geometry(rng):
    for space, r in {
        "cvae": 0.66,
        "cvae whitened": 0.61,
        "pca": 0.61,
        "pca whitened": 0.6,
        "pca-16": 0.72,
        "raw series": 0.8,
        "raw distance mm": 0.31,
    }.items():
        r += rng.normal(0, 0.02)
        yield {"space": space, "r": r, "p_mantel": 0.001, "r_partial": np.nan if "mm" in space else r - 0.06,
               "n_parcels": PARCELS}  # fmt: skip


def _recovery(rng):
    planted = ("gradient1", "gradient2", "gradient3", "delay", "width", "amplitude")
    for name, (space, r2) in product(
        planted, {"cvae": 0.55, "pca": 0.43, "pca-16": 0.5, "diffusion": 0.3, "mm": 0.2}.items()
    ):
        worse = 0.4 if name in ("delay", "width") else 1
        yield {"planted": name, "space": space, "r2": r2 * worse + rng.normal(0, 0.03)}


def _trust(labels, rng) -> dict:
    detectors = {"error": 0.93, "density": 0.81, "combined": 0.95, "pca error": 0.9, "variance": 0.7,
                 "tsnr": 0.66, "dvars": 0.8}  # fmt: skip

    def outliers():
        for kind, (detector, auc) in product(("voxel", "frame"), detectors.items()):
            auc = min(auc + rng.normal(0, 0.02), 1)
            yield {"kind": kind, "detector": detector, "auc": auc, "auc_low": auc - 0.03, "auc_high": auc,
                   "n": 8533 if kind == "voxel" else 1310, "n_planted": 60 if kind == "voxel" else 12, "n_flagged": 71,
                   "threshold": 3.2}  # fmt: skip

    def samples():
        f = np.linspace(0.005, 0.25, 60)
        for at in f:
            s = 1 / (0.01 + at)
            yield {"quantity": "spectrum", "at": at, "data": s, "reconstruction": 0.7 * s * np.exp(-4 * at),
                   "samples": 0.66 * s * np.exp(-4 * at), "pca_samples": 0.5 * s * np.exp(-5 * at)}  # fmt: skip
        for at in range(31):
            r = np.exp(-at / 4)
            yield {"quantity": "autocorrelation", "at": at, "data": r, "reconstruction": np.exp(-at / 5),
                   "samples": np.exp(-at / 5.3), "pca_samples": np.exp(-at / 6)}  # fmt: skip
        for at in np.linspace(0.05, 0.95, 19):
            yield {"quantity": "variance", "at": at, "data": 0.01 + 0.03 * at, "reconstruction": 0.005 + 0.025 * at,
                   "samples": 0.006 + 0.022 * at, "pca_samples": 0.004 + 0.02 * at}  # fmt: skip

    def reliability():
        models = {"raw": 0.61, "smoothing": 0.66, "cvae": 0.57, "pca-9 = ica-9": 0.52, "pca-16": 0.55}
        measures = ("connectivity > 20 mm", "connectivity of parcels > 20 mm")
        for measure, (model, r) in product(measures, models.items()):
            yield {"measure": measure, "model": model, "r": r + rng.normal(0, 0.02), "n": 2278, "fwhm_mm": np.nan}

    return {"outliers": _each(labels, outliers), "samples": _each(labels, samples),
            "reliability": _each(labels, reliability)}  # fmt: skip


def _transfer(labels, rng) -> dict:
    rows = []
    for source, target in product(labels, labels):
        if len(labels) > 2 and (source == labels[-1]) != (target == labels[-1]):
            nothing = dict.fromkeys(("mse", "r2", "pca_mse", "pca_r2"), np.nan)
            reason = "the model was fitted to 1310 frames, the data have 1290"
            rows.append({"source": source, "target": target, **nothing, "n_voxels": 0, "reason": reason})
            continue
        mse, pca = (0.0125, 0.0165) if source == target else (0.0235, 0.0236)
        mse, pca = mse * rng.uniform(0.9, 1.1), pca * rng.uniform(0.95, 1.05)
        rows.append({"source": source, "target": target, "mse": mse, "r2": 1 - mse / 0.0223, "pca_mse": pca,
                     "pca_r2": 1 - pca / 0.0223, "n_voxels": 2000, "reason": np.nan})  # fmt: skip
    return {"transfer": rows}


def _aligned(labels, rng) -> dict:
    pairs, nulls = [], []
    apart = [(a, b) for i, a in enumerate(labels) for b in labels[i + 1 :]]
    for name, (disparity, floor, r, r_floor) in ALIGNED.items():
        groups = [("subjects", apart, disparity, r)]
        if np.isfinite(floor):
            groups.append(("same subject, other seed", [(a, a) for a in labels], floor, r_floor))
        for relation, members, d, similar in groups:
            pairs += [
                {"first": a, "second": b, "relation": relation, "representation": name,
                 "disparity": d + rng.normal(0, 0.02), "r_distances": similar + rng.normal(0, 0.03),
                 "r_distances_plain": similar + 0.2, "n_voxels": 8400}
                for a, b in members
            ]  # fmt: skip
        for null, measure, mean in (
            ("rotation", "disparity", 0.985), ("parcel permutation", "disparity", 0.94), ("spatial", "disparity", 0.86),
            ("parcel permutation", "r_distances", 0.0), ("spatial", "r_distances", 0.09),
        ):  # fmt: skip
            observed = disparity + 0.04 * (null != "rotation") if measure == "disparity" else r
            nulls.append({"representation": name, "relation": "subjects", "null": null, "measure": measure,
                          "observed": observed, "mean": mean, "sd": 0.01,
                          "low": mean - 0.03, "high": mean + 0.03, "p": 0.001, "n": 1000})  # fmt: skip
    template = [{"label": label, "representation": name, "disparity": 0.6 * d + rng.normal(0, 0.02)}
                for name, (d, *_) in ALIGNED.items() for label in labels]  # fmt: skip
    shared = [
        {"kind": kind, "member": "independent", "n_subjects": len(labels), "mse_test": mse, "price_percent": price,
         "disparity": d, "disparity_whitened": d, "r_distances": r}
        for kind, mse, price, d, r in (
            ("independent", 0.0125, 0.0, 0.62, 0.58), ("pca", 0.0165, 32.0, np.nan, np.nan),
            ("pooled pca", 0.018, 44.0, np.nan, np.nan),
        )
    ]  # fmt: skip
    for kind, price, d, r in zip(KINDS, (2.1, 5.6, 3.4), (0.12, 0.31, 0.37), (0.93, 0.8, 0.74), strict=True):
        for member, more in (
            (("training", 0), ("joined", 1.3)) if kind != "pooled" else (("training", 0), ("zero-shot", 8))
        ):
            shared.append({"kind": kind, "member": member, "n_subjects": len(labels) - 1 if more == 0 else 1,
                           "mse_test": 0.0125 * (1 + (price + more) / 100), "price_percent": price + more,
                           "disparity": d + more / 100, "disparity_whitened": d + more / 90,
                           "r_distances": r - more / 100})  # fmt: skip
    return {"pairs": pairs, "nulls": nulls, "template": template, "shared": shared}


def _group(labels, rng) -> dict:
    n = len(labels)
    smallest = 2 * 0.5**n
    isc = [{"network": name, "model": model, "isc": np.clip(value + base, 0, 1), "n_voxels": 480, "n_subjects": n}
           for name, value in zip((*NETWORKS, "all"), rng.uniform(0.05, 0.4, 18), strict=True)
           for model, base in (("raw", -0.04), ("cvae", 0.06), ("pca", 0.03), ("cvae (shifted)", -0.5))]  # fmt: skip
    tests = [
        {"test": test, "measure": measure, "split": split, "n": n, "mean_difference": difference, "effect": 1.0,
         "p": smallest, "p_smallest": smallest, "text": "a sentence"}
        for test, measure, split, difference in (
            ("cvae vs raw", "tsnr gain (%)", "random", 41.0), ("cvae vs shrinkage", "tsnr gain (%)", "random", 0.4),
            ("cvae vs pca-9 = ica-9", "mse (test voxels)", "random", -0.004),
            ("other subjects vs own other seed", "disparity, cvae whitened", np.nan, 0.09),
        )
    ]  # fmt: skip
    least = 1 / 6 if n == 3 else 0.0001
    mantel = [
        {"score": "score", "measure": measure, "r": r, "p": max(p, least), "p_smallest": least, "n": n, "left_out": ""}
        for measure, r, p in (("latent distances", 0.41, 0.01), ("control: pca distances", 0.3, 0.04))
    ]
    identification = [
        {"method": "latent distances", "accuracy": 1.0, "chance": 1 / n, "p": max(0.001, smallest), "p_smallest": 0.001,
         "n": n, "self_r": 0.82, "other_r": 0.55},
        {"method": "control: connectivity", "accuracy": 1.0, "chance": 1 / n, "p": max(0.001, smallest),
         "p_smallest": 0.001, "n": n, "self_r": 0.77, "other_r": 0.49},
    ]  # fmt: skip
    matrix = [{"first": a, "second": b, "r": (0.82 if a == b else 0.55) + rng.normal(0, 0.03)}
              for a, b in product(labels, labels)]  # fmt: skip
    return {"isc": isc, "tests": tests, "mantel": mantel, "identification": identification,
            "identification_matrix": matrix}  # fmt: skip


def _matrices(path, rng) -> Path:
    network = np.arange(PARCELS) // 4
    basis = rng.normal(size=(17, 6))[network] + 0.7 * rng.normal(size=(PARCELS, 6))
    distance = np.linalg.norm(basis[:, None] - basis[None], axis=-1)
    noisy = distance + 0.3 * np.abs(rng.normal(size=distance.shape))
    save_file(
        {"fc": np.corrcoef(basis).astype(np.float32), "cvae": distance.astype(np.float32),
         "pca": ((noisy + noisy.T) / 2).astype(np.float32)}, path
    )  # fmt: skip
    return path


def _maps(folder, rng) -> dict:
    """Smooth maps in an ellipsoid: latents as a matrix, gradients as an image, and the parcels' networks."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in (20, 24, 18)), indexing="ij")
    mask = sum(a**2 for a in axes) < 0.9
    affine = np.diag([8.0, 8, 8, 1])
    affine[:3, 3] = -76, -92, -68
    nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), folder / "mask.nii.gz")
    waves = [np.sin(sum(k * a for k, a in zip(rng.normal(0, 4, 3), axes, strict=True))) for _ in range(9)]
    np.save(folder / "latents.npy", np.stack([w[mask] for w in waves], axis=1) + 0.2 * rng.normal(size=(mask.sum(), 9)))
    coarse = np.stack([np.where(mask, np.tanh(2 * w), 0) for w in waves], axis=-1).astype(np.float32)
    nib.save(nib.Nifti1Image(coarse, affine), folder / "gradients.nii.gz")
    parcels = [{"parcel": i + 1, "network": NETWORKS[i // 4]} for i in range(PARCELS)]
    return {
        "mask": folder / "mask.nii.gz", "latents": folder / "latents.npy", "gradients": folder / "gradients.nii.gz",
        "parcels": write_table(folder / "parcels.tsv", parcels),
    }  # fmt: skip


@pytest.fixture(scope="session")
def group_of(tmp_path_factory):
    """Fields of a `GroupReport` by number of subjects."""
    made: dict[int, dict] = {}

    def fields(n: int) -> dict:
        if n not in made:
            made[n] = write_group(tmp_path_factory.mktemp("group") / f"of-{n}", n)
        return made[n]

    return fields
