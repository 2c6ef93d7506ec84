"""structural's embedded demo: simulated persons with planted atrophy, from grey-matter maps to the report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pydra_vae.bids.derivatives import check_output, deliver
from pydra_vae.engine.runner import run
from pydra_vae.tasks.simulate_structural import SimulateStructural
from pydra_vae.workflows.program import copy_tree, running
from pydra_vae.workflows.structural_outputs import targets
from pydra_vae.workflows.structural_program import study

FOLDER = Path("structural-demo")
SECOND = [("suffix", "boldmap"), ("stat", "alff")]
# What a user would give on the command line for these data, unless something else was asked for.
GIVEN: dict[str, Any] = {
    "compare": ["losses", "collapse"],
    "targets": ["age", "score", "diagnosis"],
    "scores": ["score", "memory"],
    "confounds": ["sex", "site", "tiv"],
    "search_over": ["latent-dim", "beta"],
    "trials": 6,
}
PLANTED = ("ventricles", "hippocampus", "temporal", "thinning")
# The schedule shortened, so that the demo's many fits end within minutes on two cores.
STEPS = {"default": 300, "tiny": 60}


def demo(options: argparse.Namespace, console: Console) -> int:
    """Simulate, fit, explain, compare with the planted truth; returns the exit status."""
    folder = FOLDER.absolute()
    if options.dry_run:
        print(f"would simulate persons in {folder / 'data'} and analyse them into {folder / 'output'}")
        return 0
    check_output(folder)
    options.work_dir = options.work_dir or folder / "work"
    console.print(
        f"Demo on SIMULATED data (planted atrophy of ventricles, hippocampus, temporal lobe) in {folder}", style="bold"
    )
    simulated = run({"simulation": SimulateStructural(size=options.size)}, **running(options, console))
    if simulated.exit_code:
        return simulated.exit_code
    made = simulated.outputs["simulation"]
    copy_tree(Path(made.data), folder / "data")
    options.data, options.output = folder / "data", folder / "output"
    _fill_in(options, made)
    steps = vars(options)["fit.max_steps"]
    console.print(f"Fits of {steps} steps, so that the demo is short; --max-steps sets another number")
    status = study(
        options, console, truth=Path(made.truth), network_labels=Path(made.networks_names), simulated=True,
        dataset="pydra_vae demo",
    )  # fmt: skip
    if status == 0:
        show(options.output)
    return status


def _fill_in(options: argparse.Namespace, made: Any) -> None:
    """What the demo asks for where the user did not."""
    steps = STEPS[options.size]
    if "fit.max_steps" not in vars(options):
        setattr(options, "fit.max_steps", steps)
    for name, value in GIVEN.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    options.search = options.search or "optuna"
    options.reconstructions = True
    options.analyses = options.analyses or ["all"]
    options.second = options.second or SECOND
    options.atlas = options.atlas or options.data / Path(made.atlas).relative_to(made.data)
    if options.networks_atlas is None:
        options.networks_atlas = options.data / "desc-truth_networks.nii.gz"
        deliver(Path(made.networks_truth), options.networks_atlas)
    options.networks_steps = options.networks_steps or steps


def show(output: Path) -> None:
    """Print reconstruction, planted factors, predictions and the joint model, each beside its baselines."""
    console, where = Console(highlight=False), targets(output)
    for name, title, rows in (
        ("fits", "reconstruction of unseen persons", _reconstruction),
        ("recovery", "planted factors found again in unseen persons (R²)", _recovery),
        (
            "regression",
            "predictions in unseen persons, each by the model that nested cross-validation favours",
            _predictions,
        ),
        ("joint", "one modality from another (joint model, R² in unseen persons)", _joint),
    ):
        if where[name].is_file():
            found = pd.read_csv(where[name], sep="\t", na_values="n/a", keep_default_na=False)
            console.print(_table(f"simulated data: {title}", rows(found)))
    claims = pd.read_csv(where["claims"], sep="\t", na_values="n/a", keep_default_na=False)
    for text in claims.loc[claims["claim"] == "short", "finding"]:
        console.print(text, markup=False)
    console.print(f"Report: {where['report']}", markup=False)


def _reconstruction(fits: pd.DataFrame) -> pd.DataFrame:
    first = fits.iloc[0]
    others = [
        {"setting": "mean image", "r2_test": 0.0, "ssim_test": first["mean_ssim_test"]},
        {"setting": f"PCA-{first['k']}", "r2_test": first["pca_r2_test"], "ssim_test": first["pca_ssim_test"]},
        {"setting": f"PCA-{2 * first['k']}", "r2_test": first["pca2_r2_test"], "ssim_test": first["pca2_ssim_test"]},
    ]
    verdict = np.select([fits["collapsed"], fits["over_regularised"]], ["collapsed", "over-regularised"], "healthy")
    columns = {"setting": "fit", "r2_test": "R²", "ssim_test": "SSIM", "kl": "KL, nats", "verdict": "verdict"}
    table = pd.concat([pd.DataFrame(others), fits.assign(verdict=verdict)], ignore_index=True)
    return table[list(columns)].rename(columns=columns)


def _recovery(found: pd.DataFrame) -> pd.DataFrame:
    """A row a model, a column a planted factor."""
    linear = found[(found["kind"] == "linear") & found["target"].isin(PLANTED)]
    wide = linear.pivot(index="model", columns="target", values="r2").loc[linear["model"].unique(), list(PLANTED)]
    return wide.reset_index().rename_axis(columns=None)


def _predictions(found: pd.DataFrame) -> pd.DataFrame:
    """Of each target and kind of features, the model of highest R² in cross-validation, on the test persons."""
    best = found.loc[found.groupby(["target", "features"], sort=False)["r2"].idxmax()]
    columns = {"target": "target", "features": "from", "model": "model", "r2": "R², cross-\nvalidated", "r2_test": "R²",
               "mae_test": "mean error", "auc_test": "AUC", "p_permutation": "p"}  # fmt: skip
    return best[list(columns)].rename(columns=columns)


def _joint(found: pd.DataFrame) -> pd.DataFrame:
    """A row a direction: the joint model beside the best control that saw the same, over all voxels."""
    whole = found[(found["region"] == "whole") & ~found["method"].isin(["planted factors", "ceiling"])]
    rows = []
    for direction, of_direction in whole.groupby("direction", sort=False):
        ours = of_direction["method"].isin(["two-stage", "joint"])
        best = of_direction[~ours].sort_values("r2").iloc[-1]
        rows.append(
            {"direction": direction, "joint model": of_direction.loc[ours, "r2"].iloc[0], "best control": best["r2"],
             "which": best["method"]}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _table(title: str, found: pd.DataFrame) -> Table:
    shown = Table(title=title, box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for number, name in enumerate(found):
        shown.add_column(str(name), justify="left" if number == 0 else "right", no_wrap=number > 0)
    for row in found.itertuples(index=False):
        cells = ["" if pd.isna(cell) else f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row]
        shown.add_row(*cells)
    return shown
