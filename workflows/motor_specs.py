"""Which models a motor study fits: TI-VAE, what it is held against, and the controls of its inductive bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydra_vae.tasks.ica import ica_name

# The paper's are 1, 2 and 3; at 1 it is a TI-VAE at β = 0. None is a TI-VAE's equal: the KL, of which the total
# correlation is a part, is averaged over k factors, so that TI-VAE weighs it as a β-VAE at 1 + k β does.
BVAE_BETA = 2.0
FAMILIES = ("tivae-s", "tivae-f", "bvae-s", "bvae-f", "no-tc", "linear", "random", "unshared")
# Of each family: its name in tables, its clusters, what differs from TI-VAE.
_FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "tivae-s": ("TI-VAE-S", "structural", {}),
    "tivae-f": ("TI-VAE-F", "functional", {}),
    "bvae-s": ("β-VAE-S", "structural", {"kind": "beta-vae"}),
    "bvae-f": ("β-VAE-F", "functional", {"kind": "beta-vae"}),
    "no-tc": ("TI-VAE-S", "structural", {}),
    "linear": ("linear", "structural", {"network": "linear"}),
    "random": ("random clusters", "random", {}),
    "unshared": ("unshared hemispheres", "structural", {"share_hemispheres": False}),
}
# Controls answer one question each, so one size and one seed are enough for them.
_ONCE = ("no-tc", "linear", "random", "unshared")


@dataclass(frozen=True)
class Vae:
    """One fit.

    Attributes
    ----------
    family : str
        Its name in tables and figures.
    clusters : {"structural", "functional", "random"}
    latent_dim : int
    beta : float
    seed : int
    options : dict
        Further parameters of FitTiVae.
    """

    family: str
    clusters: str
    latent_dim: int
    beta: float
    seed: int
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """What it is called while it runs: ``TI-VAE-S k=8 beta=1 seed=42``."""
        return f"{self.family} k={self.latent_dim} beta={self.beta:g} seed={self.seed}"


@dataclass(frozen=True)
class Decomposition:
    """One ICA, or PCA.

    Attributes
    ----------
    method, independence, data : str
        As Ica takes them.
    n_components : int
    """

    method: str
    independence: str
    data: str
    n_components: int

    @property
    def family(self) -> str:
        """Its name in tables: ``temporal Infomax (extended), concatenated``."""
        return ica_name(self.method, self.independence, self.data)

    @property
    def label(self) -> str:
        """What it is called while it runs."""
        return f"{self.family} k={self.n_components}"


def vaes(
    families: Sequence[str],
    sizes: Sequence[int],
    seeds: Sequence[int],
    beta: float = 1.0,
    bvae_beta: float = BVAE_BETA,
) -> list[Vae]:
    """The fits of a study: every family at every size and seed, the controls at the first of both.

    >>> [fit.label for fit in vaes(["tivae-s", "no-tc"], [8], [42])]
    ['TI-VAE-S k=8 beta=1 seed=42', 'TI-VAE-S k=8 beta=0 seed=42']
    """
    found = []
    for family in families:
        name, clusters, options = _FAMILIES[family]
        weight = 0.0 if family == "no-tc" else bvae_beta if family.startswith("bvae") else beta
        once = family in _ONCE
        for size in sizes[:1] if once else sizes:
            found += [Vae(name, clusters, size, weight, seed, options) for seed in (seeds[:1] if once else seeds)]
    return list(dict.fromkeys(found))


def decompositions(sizes: Sequence[int]) -> list[Decomposition]:
    """Every reading of the paper's "InfoMax ICA", FastICA and PCA, at every size."""
    ica = [
        (method, independence, data)
        for independence, methods in (("temporal", ("infomax-extended", "infomax", "fastica")),
                                      ("spatial", ("infomax-extended",)))
        for method in methods
        for data in ("concatenated", "mean")
    ]  # fmt: skip
    every = [*ica, ("pca", "temporal", "concatenated"), ("pca", "temporal", "mean")]
    return [Decomposition(*what, size) for size in sizes for what in every]


def grid_of(
    sizes: Sequence[int],
    betas: Sequence[float],
    bvae_betas: Sequence[float],
    seeds: Sequence[int],
    clusters: Sequence[str],
) -> list[Vae]:
    """Every fit of figure 2A: TI-VAE and β-VAE over k, β and seeds, for each kind of clusters.

    >>> len(grid_of([5, 8, 16, 32], range(15), [1, 2, 3], range(4), ["structural", "functional"]))
    576
    """
    found = []
    for kind in clusters:
        for name, weights in (("tivae", betas), ("bvae", bvae_betas)):
            family, _, options = _FAMILIES[f"{name}-{kind[0]}"]
            found += [Vae(family, kind, k, b, seed, options) for k in sizes for b in weights for seed in seeds]
    return found
