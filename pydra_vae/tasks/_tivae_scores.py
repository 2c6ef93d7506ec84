"""What ScoreTiVae measures: a model passed over the recordings once, and the figures that follow."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pydra_vae.stats.tivae_scores import Reconstruction, factor_correlation, judge_frames, tivae_warnings
from pydra_vae.tasks._recordings import Regressors, Split, spaced

PARTS = ("train", "validation", "test")
TASK = ("r_validation", "r_test", "r_paper", "readout", "chance")
AT_LEAST = 10  # training recordings that are reconstructed
JUDGED_FRAMES = 1000


def family(made: dict) -> str:
    """What a model is, where nobody named it.

    >>> family({"network": "mixer", "kind": "beta-vae"})
    'β-VAE'
    """
    if made["network"] == "linear":
        return "linear"
    return "TI-VAE" if made["kind"] == "tivae" else "β-VAE"


@dataclass
class Passed:
    """What came of all recordings.

    Attributes
    ----------
    factors, log_variance : dict of int to (T, k) arrays
        Of each recording that was encoded, by its number.
    of_model, of_pca : dict of str to Reconstruction
        By part of the split.
    frames : list of (x, x̂, PCA's x̂ or None, μ, log σ²)
        Held-out frames for the collapse detector.
    held_out : list of int
        Test recordings; those of the validation where there are none.
    """

    held_out: list[int]
    factors: dict[int, np.ndarray] = field(default_factory=dict)
    log_variance: dict[int, np.ndarray] = field(default_factory=dict)
    of_model: dict[str, Reconstruction] = field(default_factory=lambda: {part: Reconstruction() for part in PARTS})
    of_pca: dict[str, Reconstruction] = field(default_factory=lambda: {part: Reconstruction() for part in PARTS})
    frames: list[tuple] = field(default_factory=list)

    def reconstruction(self) -> dict[str, float]:
        """Columns of the score."""
        r2 = {part: self.of_model[part].r2 for part in PARTS}
        return {
            **{f"r2_{part}": value for part, value in r2.items()},
            "gap": r2["train"] - r2["test"],
            "pca_r2_test": self.of_pca["test"].r2,
            "pca_r2_train": self.of_pca["train"].r2,
            "mse_test": self.of_model["test"].mse,
        }

    def verdict(self, seed: int, made: dict) -> dict:
        """Content of verdict.json."""
        x, decoded, linear, mu, log_variance = (
            None if values[0] is None else np.concatenate(values) for values in zip(*self.frames, strict=True)
        )
        found = judge_frames(x, decoded, mu, log_variance, linear, seed)
        r2 = {part: self.of_model[part].r2 for part in PARTS}
        warnings = tivae_warnings(
            r2, self.of_pca["test"].r2, made["recordings"]["train"], made["best_step"], made["steps"]
        )
        return {**found.to_dict(), "warnings": warnings}


class Through:
    """Pass recordings through a model, one after the other.

    Parameters
    ----------
    network : TiVae
    device : torch.device
    bfloat16 : bool
    every : bool
        Encode the training recordings that are not reconstructed too.
    """

    def __init__(self, network, device, bfloat16: bool, every: bool):
        self.network, self.device, self.bfloat16, self.every = network, device, bfloat16, every

    def __call__(self, arrays: Sequence[np.ndarray], split: Split, linear: tuple | None) -> Passed:
        """Encode recordings and decode their factors; `linear` is a PCA's mean and components."""
        from pydra_vae.training.tivae_apply import decode, encode

        rows = {part: split.rows(part).tolist() for part in PARTS}
        passed = Passed(rows["test"] or rows["validation"])
        decoded_rows = {row for part in PARTS for row in rows[part]} - set(rows["train"])
        decoded_rows |= set(spaced(rows["train"], max(AT_LEAST, len(rows["test"]))))
        step = -(-len(passed.held_out) * len(arrays[0]) // JUDGED_FRAMES)
        for row in range(len(arrays)) if self.every else sorted(decoded_rows):
            x = np.asarray(arrays[row])
            ((mu, log_variance),) = encode(self.network, [x], self.device, self.bfloat16)
            passed.factors[row], passed.log_variance[row] = mu, log_variance
            if row not in decoded_rows:
                continue
            (decoded,) = decode(self.network, [mu], self.device, self.bfloat16)
            of_pca = None if linear is None else _projected(x, *linear)
            passed.of_model[split.part[row]].add(x, decoded)
            if of_pca is not None:
                passed.of_pca[split.part[row]].add(x, of_pca)
            if row in passed.held_out:
                some = slice(None, None, step)
                shown = (x, decoded, of_pca, mu, log_variance)
                # copies: a slice would hold its whole recording, or keep its file open
                passed.frames.append(tuple(None if values is None else np.array(values[some]) for values in shown))
        return passed


def divergences(passed: Passed, seed: int) -> dict[str, float]:
    """The KL's parts on the held-out recordings, in nats a frame; log of the mean σ; mean |r| between factors."""
    import torch

    from pydra_vae.models.factors import kl_decomposition
    from pydra_vae.models.losses import gaussian_kl

    generator, found = torch.Generator().manual_seed(seed), []
    for row in passed.held_out:
        mu, log_variance = (torch.from_numpy(of[row])[None] for of in (passed.factors, passed.log_variance))
        z = mu + torch.exp(log_variance / 2) * torch.randn(mu.shape, generator=generator)
        parts = (gaussian_kl(mu, log_variance).mean(-1), *kl_decomposition(z, mu, log_variance))
        found.append([float(value) for value in parts])
    sigma = np.mean([np.exp(passed.log_variance[row] / 2).mean() for row in passed.held_out])
    names = ("kl", "mi", "tc", "dimension_wise")
    return {
        **dict(zip(names, np.mean(found, axis=0).tolist(), strict=True)),
        "mean_log_sigma": float(np.log(sigma)),
        "factor_r": factor_correlation(passed.factors[row] for row in passed.held_out),
    }


def task(passed: Passed, tables: Regressors | None, split: Split, n_permutations: int, seed: int) -> dict[str, float]:
    """Means over sub-tasks of the scores of HrfRegression; NaN without regressors."""
    from pydra_vae.stats.task_scores import task_scores

    if tables is None or not tables.names:
        return dict.fromkeys(TASK, np.nan)
    factors = np.stack([passed.factors[row] for row in range(len(split.label))])
    scores = task_scores(factors, tables.filtered, split.part, tables.raw, n_permutations, seed)
    return {name: scores.overall[name] for name in TASK}


def _projected(x: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    return (x - mean) @ components.T @ components + mean
