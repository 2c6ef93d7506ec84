"""What ScoreVolumeVae measures: all images passed through a model once, and the figures that follow."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from pydra_vae.stats.collapse import Verdict
from pydra_vae.stats.fit_warnings import verdict_warnings
from pydra_vae.stats.tivae_scores import judge_frames
from pydra_vae.stats.volume_pca import VolumePca
from pydra_vae.stats.volume_scores import gaussian_information, r_squared, r_squared_error
from pydra_vae.stats.volume_verdicts import Overfitting, collapse_advice, overfitting, volume_warnings
from pydra_vae.tasks._recordings import Split, spaced

PARTS = ("train", "validation", "test")
BLOCK = 16  # images at a time
JUDGED = 100  # held-out images whose SSIM and collapse are looked at: at 2 mm a hundred are 92 MB
POPULATION = 1000  # images that make up the aggregate posterior: all pairs of them are compared
DRAWS = 8  # of z from each: of one, the parts of a collapsed model's KL are noise of some hundredths
SSIM_WINDOW = 11


@dataclass
class Passed:
    """What came of all images.

    Attributes
    ----------
    split : Split
    rows : list of int
        Held-out images that are judged: of the test part, of the validation part where there is none.
    mu, log_variance : (N, k) arrays
    errors : dict of str to (N,) array
        Sum of squares of each image about its reconstruction by `model`, `pca`, `pca2` and by the `mean` of the
        training images; NaN where there is no such PCA.
    x, decoded, linear : (n, V) arrays
        The judged images, by the model and by PCA-k (None where there is none).
    ssim : dict of str to (n,) array
        Of the judged images, by the same names as the errors.
    """

    split: Split
    rows: list[int]
    mu: np.ndarray
    log_variance: np.ndarray
    errors: dict[str, np.ndarray]
    x: np.ndarray
    decoded: np.ndarray
    linear: np.ndarray | None
    ssim: dict[str, np.ndarray] = field(default_factory=dict)

    def r2(self, part: str, name: str = "model") -> float:
        """R² of the images of a part."""
        rows = self.split.rows(part)
        return r_squared(self.errors[name][rows], self.errors["mean"][rows])

    def reconstruction(self) -> dict[str, float]:
        """Columns of the score."""
        validation, test = (self.split.rows(part) for part in ("validation", "test"))
        error, mean = self.errors["model"], self.errors["mean"]
        r2 = {part: self.r2(part) for part in PARTS}
        return {
            **{f"r2_{part}": value for part, value in r2.items()},
            "r2_validation_se": r_squared_error(error[validation], mean[validation], self.split.person[validation]),
            "r2_test_se": r_squared_error(error[test], mean[test], self.split.person[test]),
            "gap": r2["train"] - r2["test"],
            "mse_test": float(error[test].mean() / self.x.shape[1]) if len(test) else np.nan,
            "ssim_test": float(self.ssim["model"].mean()),
            **{f"{name}_r2_test": self.r2("test", name) for name in ("pca", "pca2")},
            **{f"pca_r2_{part}": self.r2(part, "pca") for part in ("train", "validation")},
            **{f"{name}_ssim_test": float(self.ssim[name].mean()) for name in ("pca", "pca2", "mean")},
        }

    def collapse(self, regularised: bool, seed: int) -> Verdict:
        """The collapse detector on the judged images; KL says nothing where σ had no reason to be anything."""
        log_variance = self.log_variance[self.rows] if regularised else None
        return judge_frames(self.x, self.decoded, self.mu[self.rows], log_variance, self.linear, seed)

    def overfitting(self, history, best_step: int) -> Overfitting:
        """The verdict on overfitting; `history` is the training's table, or None."""
        gaps = [self.r2("train", name) - self.r2("test", name) for name in ("model", "pca")]
        if history is None or not (history["step"] == best_step).any():
            return overfitting(*gaps)
        best = float(history.loc[history["step"] == best_step, "val_mse"].iloc[0])
        return overfitting(*gaps, float(history["val_mse"].iloc[-1]) / best if best > 0 else np.nan)


def pass_images(network, x: np.ndarray, split: Split, pca: VolumePca, device, bfloat16: bool = False) -> Passed:
    """Encode and decode every image, z = μ, and keep what is judged.

    Parameters
    ----------
    network : VolumeVae
    x : (N, V) array
        May be memory-mapped.
    split : Split
    pca : VolumePca
        Its mean is that of the training images.
    device : torch.device
    bfloat16 : bool
    """
    from pydra_vae.training.volume_apply import decode, encode

    k, n, n_kept = network.config.latent_dim, len(x), len(pca.components)
    sizes = {"pca": k, "pca2": 2 * k, "mean": 0}
    errors = {name: np.full(n, np.nan) for name in ("model", *sizes)}
    mu, log_variance = (np.empty((n, k), np.float32) for _ in range(2))
    rows = _judged(split)
    kept = {name: np.empty((len(rows), x.shape[1]), np.float32) for name in ("x", "model", *sizes)}
    place = {row: i for i, row in enumerate(rows)}
    for part in _blocks(n):
        block = np.array(x[part], np.float32)
        mu[part], log_variance[part] = encode(network, block, device, bfloat16)
        made = {"model": decode(network, mu[part], device, bfloat16)}
        made |= {name: pca.reconstruct(block, size) for name, size in sizes.items() if size <= n_kept}
        for name, decoded in made.items():
            errors[name][part] = np.square(block - decoded, dtype=np.float64).sum(axis=1)
        for row in set(range(part.start, part.stop)) & set(place):
            kept["x"][place[row]] = block[row - part.start]
            for name, decoded in made.items():
                kept[name][place[row]] = decoded[row - part.start]
    passed = Passed(
        split, rows, mu, log_variance, errors, kept["x"], kept["model"], kept["pca"] if k <= n_kept else None
    )
    low, high = _range(x, split.rows("train"))
    for name in errors:
        known = name in ("model", "mean") or sizes[name] <= n_kept
        found = ssim_within(network, kept["x"], kept[name], high - low, device) if known else np.full(len(rows), np.nan)
        passed.ssim[name] = found
    return passed


def ssim_within(network, x: np.ndarray, decoded: np.ndarray, data_range: float, device) -> np.ndarray:
    """SSIM of images (n, V) over the places of an 11-voxel window whose centre is in the mask, 0 around it; (n,)."""
    import torch

    from pydra_vae.models.ssim import ssim

    network, found = network.to(device), []
    for part in _blocks(len(x)):
        boxes = [network.in_box(torch.from_numpy(values[part]).to(device)) for values in (x, decoded)]
        found.append(ssim(*boxes, data_range, SSIM_WINDOW, mask=network.mask, surrounded=True).cpu().numpy())
    return np.concatenate(found)


def information(passed: Passed, seed: int) -> dict[str, float]:
    """The KL with its parts and the MMD of training and validation images, in nats an image; the KL of test images.

    No test image has a part in what a search chooses by. Of more than 1,000 images, 1,000 are taken, evenly spaced.
    """
    import torch

    from pydra_vae.models.factors import kl_decomposition
    from pydra_vae.models.losses import gaussian_kl, prior_mmd, reparameterise

    rows = spaced(np.flatnonzero(passed.split.part != "test").tolist(), POPULATION)
    mu, log_variance = (torch.from_numpy(of[rows]) for of in (passed.mu, passed.log_variance))
    generator, parts = torch.Generator().manual_seed(seed), []
    for _ in range(DRAWS):
        z = reparameterise(mu, log_variance, torch.randn(mu.shape, generator=generator))
        parts.append([float(part) for part in kl_decomposition(z[None], mu[None], log_variance[None])])
    test = [torch.from_numpy(of[passed.split.rows("test")]) for of in (passed.mu, passed.log_variance)]
    return {
        "kl": float(gaussian_kl(mu, log_variance).mean()),
        **dict(zip(("mi", "tc", "dimension_wise"), np.mean(parts, axis=0).tolist(), strict=True)),
        "mi_ceiling": float(np.log(len(rows))),
        **gaussian_information(passed.mu[rows], passed.log_variance[rows]),
        "kl_test": float(gaussian_kl(*test).mean()),
        "mmd": float(prior_mmd(z)),
    }


def verdict_of(passed: Passed, made: dict, history, seed: int) -> dict:
    """Content of verdict.json.

    Parameters
    ----------
    made : dict
        Content of model.json.
    history : DataFrame or None
        The training's history.
    """
    regularised = made["divergence"] == "kl" and made["beta"] > 0
    found = passed.collapse(regularised, seed)
    over = passed.overfitting(history, made["best_step"])
    warnings = volume_warnings(
        passed.r2("test"),
        passed.r2("test", "pca"),
        made["latent_dim"],
        int((passed.split.part == "train").sum()),
        made["best_step"],
        made["steps"],
        over,
    )
    weight = made["mmd_weight" if made["divergence"] == "mmd" else "beta"]
    advice = collapse_advice(found.advice, made["divergence"], weight, passed.r2("test", "pca"))
    verdict = {
        **found.to_dict(),
        "advice": advice,
        "overfitting": over.to_dict(),
        "n_images": len(passed.rows),
        "warnings": warnings,
    }
    return verdict | {"warnings": verdict_warnings(verdict)}


def examples(passed: Passed, n: int) -> tuple[np.ndarray, list[dict]]:
    """Inputs over reconstructions: judged images from the best reconstructed to the worst, evenly spaced in rank.

    Returns
    -------
    images : (2 n, V) float32 array
        n inputs, then their n reconstructions.
    table : list of dict
        row label kind r2 ssim of each.
    """
    labels = passed.split.label[passed.rows]
    error, mean = (passed.errors[name][passed.rows] for name in ("model", "mean"))
    r2 = 1 - error / np.where(mean > 0, mean, np.nan)
    chosen = spaced(np.argsort(-r2, kind="stable").tolist(), n)
    images = np.concatenate([passed.x[chosen], passed.decoded[chosen]])
    kinds = [(kind, i) for kind in ("input", "reconstruction") for i in chosen]
    table = [
        {"row": row, "label": labels[i], "kind": kind, "r2": r2[i], "ssim": passed.ssim["model"][i]}
        for row, (kind, i) in enumerate(kinds)
    ]
    return images, table


def _judged(split: Split) -> list[int]:
    rows = split.rows("test") if (split.part == "test").any() else split.rows("validation")
    if len(rows) < 2:
        raise ValueError(
            f"the split leaves {len(rows)} images to judge a model by: at least 2 test images are needed; "
            "more persons are needed, or another split"
        )
    return spaced(rows.tolist(), JUDGED)


def _blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


def _range(x: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """Smallest and largest value of some images, 0 among them: that is what lies outside the mask."""
    low = high = 0.0
    for part in _blocks(len(rows)):
        block = x[rows[part]]
        low, high = min(low, float(block.min())), max(high, float(block.max()))
    return low, high
