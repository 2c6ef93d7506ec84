"""structural's embedded demo: simulated persons with planted atrophy, from grey-matter maps to the report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pydra_vae.bids.derivatives import check_output
from pydra_vae.engine.runner import run
from pydra_vae.tasks.simulate_structural import SimulateStructural
from pydra_vae.workflows.program import copy_tree, running
from pydra_vae.workflows.structural_outputs import targets
from pydra_vae.workflows.structural_program import study

FOLDER = Path("structural-demo")
SECOND = [("suffix", "boldmap"), ("stat", "alff")]
# What a user would give on the command line for these data, unless something else was asked for.
GIVEN: dict[str, Any] = {
    "targets": ["age", "score", "diagnosis"],
    "scores": ["score", "memory"],
    "confounds": ["sex", "site", "tiv"],
    "search_over": ["latent-dim", "beta"],
    "trials": 6,
}
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
    options.analyses = options.analyses or ["all"]
    options.second = options.second or SECOND
    options.atlas = options.atlas or Path(made.atlas)
    options.networks_atlas = options.networks_atlas or Path(made.networks_truth)
    options.networks_steps = options.networks_steps or steps


def show(output: Path) -> None:
    """Print reconstruction, planted factors, predictions and the joint model, each beside its baselines."""
    console = Console(highlight=False)
    where = targets(output)
    fits = _read(where["fits"])
    if fits is not None:
        console.print(_table("simulated data: reconstruction of unseen persons", _reconstruction(fits)))
    for name, title, columns in (
        ("recovery", "planted factors found again in unseen persons (R²)", ("model", "target", "r2")),
        ("regression", "prediction by nested cross-validation", ("target", "features", "model", "r2", "mae", "auc")),
        ("joint", "joint model of images and scores", ("direction", "method", "region", "r2")),
    ):
        table = _read(where[name])
        if table is not None and len(table):
            console.print(_table(f"simulated data: {title}", table[[c for c in columns if c in table]]))
    claims = _read(where["claims"])
    for text in () if claims is None else claims.loc[claims["claim"] == "short", "finding"]:
        console.print(text, markup=False)
    console.print(f"Report: {where['report']}", markup=False)


def _read(path: Path) -> pd.DataFrame | None:
    return pd.read_csv(path, sep="\t", na_values="n/a") if path.is_file() else None


def _reconstruction(fits: pd.DataFrame) -> pd.DataFrame:
    first = fits.iloc[0]
    others = [
        {"setting": "mean image", "r2_test": 0.0, "ssim_test": first["mean_ssim_test"]},
        {"setting": f"PCA-{first['k']}", "r2_test": first["pca_r2_test"], "ssim_test": first["pca_ssim_test"]},
        {"setting": f"PCA-{2 * first['k']}", "r2_test": first["pca2_r2_test"], "ssim_test": first["pca2_ssim_test"]},
    ]
    columns = ["setting", "r2_test", "ssim_test", "kl", "collapsed", "over_regularised"]
    return pd.concat([pd.DataFrame(others), fits], ignore_index=True)[columns]


def _table(title: str, found: pd.DataFrame) -> Table:
    shown = Table(title=title, box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for number, name in enumerate(found):
        shown.add_column(name.replace("_", " "), justify="left" if number == 0 else "right", no_wrap=number > 0)
    for row in found.itertuples(index=False):
        shown.add_row(
            *("" if pd.isna(value) else f"{value:.3f}" if isinstance(value, float) else str(value) for value in row)
        )
    return shown
