"""finn's embedded demo: simulated listeners of a story, from their derivatives tree to the reports."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from pydra_vae.bids.derivatives import check_output
from pydra_vae.bids.names import derivative_name
from pydra_vae.bids.plan import SubjectPlan
from pydra_vae.engine.runner import run
from pydra_vae.tasks.simulate import SimulateFinn
from pydra_vae.workflows import finn_program
from pydra_vae.workflows.finn_group_program import run_group
from pydra_vae.workflows.program import copy_tree, running

FOLDER = Path("finn-demo")
N_SUBJECTS = 3
STORY = ["story1", "story2", "story3"]
# Two subjects make the shared models and the third joins them.
SHARED = ["01", "02"]
# The quickest network, and the schedule shortened, so that the demo's many fits end within minutes on two cores.
QUICK = {"fit.network": "dense", "fit.linear_skip": "pca"}
MAX_STEPS, SHARED_STEPS = 60, 120
BETAS, MMD_WEIGHTS = [0.1, 1.0], [0.1]
SIZES = {"default": [2, 4, 6, 9, 12, 16], "tiny": [2, 9]}
COLUMNS = {
    "participant_id": "subject",
    "split": "split",
    "model": "model",
    "mse_test": "test MSE",
    "r2": "R²",
    "gain_mean": "tSNR gain %",
    "r_clean_mean": "r planted",
}


def demo(options: argparse.Namespace, console: Console) -> int:
    """Simulate, analyse, compare with the planted truth; returns the exit status."""
    folder = FOLDER.absolute()
    if options.dry_run:
        print(f"would simulate {N_SUBJECTS} listeners in {folder / 'data'} and analyse them into {folder / 'output'}")
        return 0
    check_output(folder)
    options.work_dir, options.seed = options.work_dir or folder / "work", options.seed or 0
    console.print(
        f"Demo on SIMULATED data ({N_SUBJECTS} listeners, planted networks and signals) in {folder}", style="bold"
    )
    simulated = run(
        {"simulation": SimulateFinn(size=options.size, seed=options.seed, n_subjects=N_SUBJECTS)},
        **running(options, console),
    )
    if simulated.exit_code:
        return simulated.exit_code
    made = simulated.outputs["simulation"]
    tree = Path(made.derivatives)
    data = folder / "data"
    copy_tree(tree, data)
    options.derivatives, options.output = data, folder / "output"
    options.atlas = str(data / Path(made.atlas).relative_to(tree))
    options.task_id = options.task_id or STORY
    _shorten(options, console)
    status = finn_program.participant(options, console, truth=planted)
    if status:
        return status
    status = run_group(
        data,
        options.output,
        options,
        console,
        simulated=True,
        dataset="pydra_vae demo",
        stimulus=data / "task-story_desc-truth_stimulus.json",
    )
    if status == 0:
        show(options.output)
    return status


def _shorten(options: argparse.Namespace, console: Console) -> None:
    """Everything that there is, in little time, where the user did not choose."""
    given = vars(options)
    if not {"fit.max_steps", "fit.max_epochs"} & set(given):
        setattr(options, "fit.max_steps", MAX_STEPS)
        console.print(f"Fits of {MAX_STEPS} steps, so that the demo is short; --max-steps sets another number")
    if "fit.network" not in given:
        console.print(
            "The dense network with PCA beside it, the quickest one; --network lk is the convolutional default"
        )
    quick = {} if "fit.network" in given else QUICK
    for name, value in (quick | {"shared.max_steps": SHARED_STEPS}).items():
        if name not in given:
            setattr(options, name, value)
    options.analyses = options.analyses or ["all"]
    options.sweep_sizes = options.sweep_sizes or SIZES[options.size]
    options.betas, options.mmd_weights = options.betas or BETAS, options.mmd_weights or MMD_WEIGHTS
    options.shared_training_labels = options.shared_training_labels or SHARED
    options.score = options.score or "score"


def planted(plan: SubjectPlan) -> dict[str, Any]:
    """What was planted: the clean signal of each run, the latents, the artefacts."""
    names = [run.bold.name for run in plan.runs]
    signal = [
        run.bold.with_name(name.replace("desc-preproc", "desc-truth"))
        for run, name in zip(plan.runs, names, strict=True)
    ]
    folder, first = plan.runs[0].bold.parent, plan.runs[0]
    latents = derivative_name({"sub": first.entities["sub"], "space": first.space}, "latents", ".nii.gz", desc="truth")
    artefacts = derivative_name({"sub": first.entities["sub"]}, "artefacts", ".tsv", desc="truth")
    return {
        "signal": signal,
        "science": {"truth_latents": folder / latents, "truth_artefacts": folder / artefacts},
    }


def show(output: Path) -> None:
    """Print the measures beside their controls and the planted truth."""
    table = pd.read_csv(output / "group_desc-cvae_metrics.tsv", sep="\t", na_values="n/a")
    shown = Table(title="simulated data: the CVAE beside its controls")
    columns = {name: title for name, title in COLUMNS.items() if name in table and name not in _constant(table)}
    for name, title in columns.items():
        shown.add_column(title, justify="right" if table[name].dtype.kind == "f" else "left")
    for row in table.itertuples():
        shown.add_row(*(_cell(getattr(row, name)) for name in columns), end_section=row.model == "voxel mean")
    console = Console(highlight=False)
    console.print(shown)
    recovered = table.groupby("model", sort=False)["r_clean_mean"].mean().dropna()
    told = ", ".join(f"{model} {r:.3f}" for model, r in recovered.items())
    console.print(f"Mean correlation with the planted clean signal: {told}", markup=False)
    console.print(
        "shrinkage is no model: the input itself, shrunk towards each voxel's mean until its variance is the CVAE's;"
        " it shows how much tSNR rises without any denoising"
    )
    console.print(f"Reports: {output / 'index.html'}", markup=False)


def _constant(table: pd.DataFrame) -> list[str]:
    """The split, where there is only one."""
    return ["split"] if table["split"].nunique() == 1 else []


def _cell(value) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.4g}"
    return str(value)
