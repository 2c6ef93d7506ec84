"""motor's embedded demo: simulated subjects who move hands, feet and tongue, from HCP-like folders to the report."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from pydra_vae.bids.derivatives import check_output
from pydra_vae.engine.devices import has_bfloat16
from pydra_vae.engine.runner import run
from pydra_vae.tasks.simulate_motor import SimulateMotor
from pydra_vae.workflows.motor_inputs import SEEDS
from pydra_vae.workflows.motor_outputs import targets
from pydra_vae.workflows.motor_program import study
from pydra_vae.workflows.motor_specs import Decomposition, Vae, decompositions, vaes
from pydra_vae.workflows.program import copy_tree, running

FOLDER = Path("motor-demo")
# The schedule shortened and half of the clusters, so that the demo's many fits end within minutes on two cores.
QUICK = {"fit.max_steps": 130, "clusters.n_clusters": 32}
TINY = {"fit.max_steps": 60, "clusters.n_clusters": 12}
COLUMNS = {
    "model": "model",
    "k": "k",
    "beta": "β",
    "seed": "seed",
    "r_test": "r, held\nout",
    "r_paper": "paper's\nway",
    "readout": "read-\nout",
    "subject_r_mean": "single\nruns",
    "chance": "chance",
    "ceiling": "ceil-\ning",
}


def demo(options: argparse.Namespace, console: Console) -> int:
    """Simulate, fit, compare; returns the exit status."""
    folder = FOLDER.absolute()
    if options.dry_run:
        print(f"would simulate subjects in {folder / 'data'} and analyse them into {folder / 'output'}")
        return 0
    check_output(folder)
    options.work_dir = options.work_dir or folder / "work"
    console.print(f"Demo on SIMULATED data (planted hand, foot and tongue patches) in {folder}", style="bold")
    size = options.size
    if size == "default" and not has_bfloat16():
        size = "half"
        console.print("Half of the region: without bfloat16 in the processor, all of it would take twice as long")
    simulated = run({"simulation": SimulateMotor(size=size)}, **running(options, console))
    if simulated.exit_code:
        return simulated.exit_code
    made = simulated.outputs["simulation"]
    copy_tree(Path(made.data), folder / "data")
    options.data, options.output = folder / "data", folder / "output"
    options.reference = options.reference or [Path(made.truth)]
    options.reference_names = options.reference_names or list(pd.read_csv(made.truth_names, sep="\t")["name"])
    for name, value in (TINY if options.size == "tiny" else QUICK).items():
        if name not in vars(options):
            setattr(options, name, value)
    steps, clusters = vars(options)["fit.max_steps"], vars(options)["clusters.n_clusters"]
    console.print(
        f"Fits of {steps} steps with {clusters} clusters a hemisphere, so that the demo is short; --max-steps and "
        "--n-clusters set other numbers"
    )
    truth = {"truth": made.truth, "truth_names": made.truth_names}
    status = study(options, console, _models(options), simulated=True, dataset="pydra_vae demo", **truth)
    if status == 0:
        show(options.output)
    return status


def _models(options: argparse.Namespace) -> tuple[list[Vae], list[Decomposition]] | None:
    """Fewer models than a study's own; None where the user chose some."""
    if options.models or options.latent_dims or options.seeds is not None or options.preset:
        return None
    if options.size == "tiny":
        return vaes(["tivae-s", "tivae-f", "bvae-s", "linear"], [8], SEEDS[:1]), decompositions([8])
    twice = vaes(["tivae-s", "tivae-f", "bvae-s"], [8], SEEDS)
    once = vaes(["no-tc", "linear", "random", "unshared"], [8], SEEDS[:1])
    return [*twice, *once, *vaes(["tivae-s"], [16], SEEDS[:1])], decompositions([8, 16])


def show(output: Path) -> None:
    """Print how well each model's factors follow the task, beside chance and ceiling."""
    table = pd.read_csv(targets(output)["comparison"], sep="\t", na_values="n/a")
    title = "simulated data: correlation of factors with the sub-tasks, mean over the sub-tasks"
    shown = Table(title=title, box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    columns = {name: title for name, title in COLUMNS.items() if name in table}
    for name, title in columns.items():
        is_name = name == "model"  # folded where lines are short; the numbers are not
        shown.add_column(title, justify="left" if is_name else "right", no_wrap=not is_name)
    for row in table.sort_values(["k", "r_test"], ascending=[True, False]).itertuples():
        shown.add_row(*(_cell(name, getattr(row, name)) for name in columns))
    console = Console(highlight=False)
    console.print(shown)
    console.print(
        "r, held out: factors chosen on the validation average, scored on the test average; the paper's way chooses"
        " and scores on the test average, which is optimistic; chance is that of the paper's way"
    )
    claims = pd.read_csv(targets(output)["claims"], sep="\t", na_values="n/a")
    for text in claims.loc[claims["claim"] == "short", "finding"]:
        console.print(text, markup=False)
    console.print(f"Report: {targets(output)['report']}", markup=False)


def _cell(name: str, value) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:g}" if name == "beta" else f"{value:.2f}"
    return str(value)
