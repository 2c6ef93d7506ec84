"""What a structural run is given: each step's parameters, which fits, which analyses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pydra_vae.options.parser import step_options
from pydra_vae.options.structural_analyses import ANALYSES
from pydra_vae.tasks.draw_volumes import DrawVolumes
from pydra_vae.tasks.embed_volumes import EmbedVolumes
from pydra_vae.tasks.fit_joint import FitJoint
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.tasks.interpolate_volumes import InterpolateVolumes
from pydra_vae.tasks.latent_regression import LatentRegression
from pydra_vae.tasks.longitudinal_model import LongitudinalModel
from pydra_vae.tasks.make_volume_mask import MakeVolumeMask
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.prepare_volume import PrepareVolume
from pydra_vae.tasks.traverse_volumes import TraverseVolumes
from pydra_vae.workflows.parameters import filled
from pydra_vae.workflows.structural_specs import VolumeFit, fits_of

STEPS = {
    "prepare": PrepareVolume,
    "mask": MakeVolumeMask,
    "fit": FitVolumeVae,
    "regression": LatentRegression,
    "joint": FitJoint,
    "longitudinal": LongitudinalModel,
    "traverse": TraverseVolumes,
    "draw": DrawVolumes,
    "interpolate": InterpolateVolumes,
    "embed": EmbedVolumes,
    "extract": MaskBold,
}
SPLIT_SEED = 42
NETWORKS_DIM = 8
# Of the frames' model. Frames are few and noisy: on 110 of studyforrest, in three divisions into blocks, 30 epochs (120
# steps) reached a validation R² of .56, .58, .48, and 500 steps .54, .56, .48 after overfitting; without drifts .33,
# .35, .26 and .30, .32, .27. On test blocks .54, .50, .56 (PCA-8 .58, .55, .59) and .34, .33, .29 (.36, .36, .33).
NETWORKS_STEPS: dict[str, int] = {"max_steps": 500, "max_epochs": 30}


def given_options(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Parameters of each step that the user gave."""
    given = step_options(options)
    return {step: given.get(step, {}) for step in STEPS}


def all_parameters(options: argparse.Namespace) -> dict[str, Any]:
    """Every parameter by step, defaults too, for sidecars and the report."""
    given = given_options(options)
    general = (
        "kind", "filter", "space", "res", "covariates", "resolution", "grid", "mask", "atlas", "split_seed", "seed",
        "compare", "search", "search_over", "trials", "use_best", "targets", "confounds", "scores", "second", "bold",
        "task_id", "networks_dim", "networks_steps", "networks_atlas",
    )  # fmt: skip
    plain = {name: _plain(getattr(options, name)) for name in general}
    plain |= {name: dict(getattr(options, name) or ()) or None for name in ("filter", "second")}
    steps = {step.__name__: filled(step, given[name]) for name, step in STEPS.items()}
    steps["LatentRegression"] |= {"confounds": options.confounds or []}
    if "time" not in given["longitudinal"]:
        del steps["LongitudinalModel"]["time"]  # as the data have it
    return {name: value for name, value in plain.items() if value not in (None, False)} | steps


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def main_fit(options: argparse.Namespace) -> dict[str, Any]:
    """Parameters of the main fit, with their defaults; the seed and the device belong to the run."""
    return filled(FitVolumeVae, given_options(options)["fit"])


def chosen_fits(options: argparse.Namespace) -> list[VolumeFit]:
    """The main fit, and those beside it."""
    return fits_of(main_fit(options), options.compare or ["losses"])


def chosen_analyses(options: argparse.Namespace) -> list[str]:
    """The analyses that were asked for; without a word, all but networks, which need BOLD."""
    asked = options.analyses or ["auto"]
    if "all" in asked:
        return list(ANALYSES)
    if "none" in asked:
        return []
    if "auto" in asked:
        return [name for name in ANALYSES if name != "networks" or options.bold]
    return [name for name in ANALYSES if name in asked]


def seed_of(options: argparse.Namespace) -> int:
    """Seed of weights, batches and draws."""
    return 0 if options.seed is None else options.seed


def split_seed_of(options: argparse.Namespace) -> int:
    """Seed of the division of persons."""
    return SPLIT_SEED if options.split_seed is None else options.split_seed
