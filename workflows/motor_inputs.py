"""What a motor run is given: each step's parameters, the paper's preset, which models and grids."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pydra_vae.options.parser import step_options
from pydra_vae.tasks.fit_tivae import FitTiVae
from pydra_vae.tasks.geodesic_distances import GeodesicDistances
from pydra_vae.tasks.hrf_regression import HrfRegression
from pydra_vae.tasks.ica import Ica
from pydra_vae.tasks.prepare_surface import PrepareSurface
from pydra_vae.tasks.spectral_clusters import SpectralClusters
from pydra_vae.workflows.motor_specs import BVAE_BETA, FAMILIES, Decomposition, Vae, decompositions, grid_of, vaes
from pydra_vae.workflows.parameters import filled

STEPS = {
    "prepare": PrepareSurface,
    "geodesics": GeodesicDistances,
    "clusters": SpectralClusters,
    "fit": FitTiVae,
    "ica": Ica,
    "task": HrfRegression,
}
SIZES, SEEDS = [8, 16], [42, 1337]
# What the paper states; C is given in its appendix A only, for another volume.
PAPER: dict[str, dict[str, Any]] = {
    "prepare": {"high_pass": 0.01, "low_pass": 0.15, "detrend": True},
    "clusters": {"n_clusters": 128},
    "fit": {"recipe": "paper"},
}
PAPER_SIZES, PAPER_SEEDS = [5, 8, 16, 32], [42, 1337, 9999, 1212]
PAPER_BETAS = [*(round(0.1 * n, 1) for n in range(13)), 2.0, 3.0]
PAPER_BVAE_BETAS = [1.0, 2.0, 3.0]
FEW_BETAS = [0.0, 0.5, 1.0, 2.0, 3.0]


def given_options(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters of each step: the preset's, then what the user gave."""
    given = step_options(options)
    preset = PAPER if options.preset == "paper" else {}
    return {step: preset.get(step, {}) | given.get(step, {}) for step in STEPS}


def all_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Every parameter by step, defaults too, for sidecars and the report."""
    given = given_options(options)
    general = (
        "task_id", "direction", "region", "labels", "label_map", "surfaces", "preset", "models", "latent_dims", "seeds",
        "tc_weight", "bvae_beta", "grid", "hrf", "subtasks", "rotate", "split_seed", "reference",
    )  # fmt: skip
    plain = {name: getattr(options, name) for name in general}
    return {name: _plain(value) for name, value in plain.items()} | {
        step.__name__: filled(step, given[name]) for name, step in STEPS.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def chosen_models(options: argparse.Namespace) -> tuple[list[Vae], list[Decomposition]]:
    """The fits and decompositions that were asked for."""
    paper = options.preset == "paper"
    sizes = options.latent_dims or (PAPER_SIZES if paper else SIZES)
    seeds = options.seeds if options.seeds is not None else (PAPER_SEEDS if paper else SEEDS)
    families = options.models or [name for name in FAMILIES if paper or name != "bvae-f"]
    weight = 1.0 if options.tc_weight is None else options.tc_weight
    beta = BVAE_BETA if options.bvae_beta is None else options.bvae_beta
    return vaes(families, sizes, seeds, weight, beta), decompositions(sizes)


def chosen_grid(options: argparse.Namespace) -> list[Vae]:
    """The fits of figure 2A that were asked for beside the models."""
    if options.grid is None:
        return []
    if options.grid == "paper":
        return grid_of(PAPER_SIZES, PAPER_BETAS, PAPER_BVAE_BETAS, PAPER_SEEDS, ("structural", "functional"))
    sizes, seeds = options.latent_dims or SIZES, SEEDS if options.seeds is None else options.seeds
    return grid_of(sizes, FEW_BETAS, PAPER_BVAE_BETAS, seeds, ("structural",))


def task_options(options: argparse.Namespace) -> dict[str, Any]:
    """Parameters of TaskRegressors."""
    given = {"hrf": options.hrf, "subtasks": options.subtasks}
    layout = {"layout": "paper"} if options.paper_timing else {}
    return {name: value for name, value in given.items() if value is not None} | layout
