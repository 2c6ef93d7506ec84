"""What the recipes' programs have in common: how they speak, where they work, how they run."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from pydra_vae.bids.derivatives import deliver
from pydra_vae.bids.files import InputError
from pydra_vae.engine.devices import available, choices
from pydra_vae.engine.display import PIPE_WIDTH
from pydra_vae.engine.errors import EngineError
from pydra_vae.engine.pool import kept_processes

MAX_PROCS = 8


def program(recipe: str, body: Callable[[Console], int]) -> int:
    """Run a recipe's body; bad input is said in one line, and a closed pipe is no error.

    Parameters
    ----------
    recipe : str
        Its name, before what it says.
    body : callable
        Of the console that everything is told on; returns the exit status.

    Returns
    -------
    status : int
    """
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    try:
        with kept_processes():
            return body(console)
    except (InputError, EngineError) as error:
        say(console, recipe, error)
        return 2
    except BrokenPipeError:  # `finn … --dry-run | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def say(console: Console, recipe: str, problem: object, style: str = "red") -> None:
    """Print a problem; lines are not folded, so that paths and commands can be copied."""
    console.print(f"{recipe}: {problem}", style=style, markup=False, soft_wrap=True)


def say_all(console: Console, recipe: str, problems: dict[str, str]) -> None:
    """Print the problems of all subjects, one that many share only once."""
    same: dict[str, list[str]] = {}
    for label, problem in problems.items():
        same.setdefault(problem.removeprefix(f"{label}: "), []).append(label)
    for problem, labels in same.items():
        say(console, recipe, f"{', '.join(labels)}: {problem}")


def n_procs(options: argparse.Namespace) -> int:
    """Processes side by side."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return options.n_procs or min(cores, MAX_PROCS)


def within_memory(options: argparse.Namespace, cost: Any, console: Console, recipe: str) -> None:
    """Run as many processes side by side as fit into ``--mem``; said where that is fewer than wanted.

    Parameters
    ----------
    options : Namespace
        Its ``n_procs`` is set.
    cost : costs.Cost
        Knows what a process needs.
    console : Console
    recipe : str
    """
    if options.mem_gb is None:
        return
    wanted = n_procs(options)
    options.n_procs = cost.processes(wanted, options.mem_gb * 1e9)
    if options.n_procs < wanted:
        need, room = cost.process / 1e9, options.mem_gb
        enough = "" if need <= room else "; even one may need more than that"
        say(
            console,
            recipe,
            f"{options.n_procs} process(es) side by side instead of {wanted}: one may need {need:.1f} GB of the "
            f"{room:g} GB of --mem{enough}",
            "yellow",
        )


def work_dir(options: argparse.Namespace) -> Path:
    """Where steps are cached; as with fMRIPrep, ``work`` under the current folder by default."""
    return (options.work_dir or Path("work")).absolute()


def running(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """How `engine.runner.run` is to run."""
    names = ("break_locks", "fits_per_gpu", "fits_together", "verbose")
    given = {name: getattr(options, name) for name in names}
    where = {"worker": options.worker, "worker_options": worker_options(options)}
    return {"work_dir": work_dir(options), "n_procs": n_procs(options), "console": console, **where, **given}


# What each worker alone takes: the parameter of its class, by the option.
WORKER_OPTIONS = {
    "local": {},
    "dask": {"dask_scheduler": "scheduler", "max_jobs": "max_jobs"},
    "slurm": {"sbatch_args": "sbatch_args", "gpu_sbatch_args": "gpu_sbatch_args", "max_jobs": "max_jobs"},
}


def worker_options(options: argparse.Namespace) -> dict[str, Any]:
    """What the chosen worker is told; an option of another one is a mistake."""
    taken = WORKER_OPTIONS[options.worker]
    for names in WORKER_OPTIONS.values():
        for name in names:
            if name not in taken and getattr(options, name) is not None:
                fitting = " or ".join(worker for worker, has in WORKER_OPTIONS.items() if name in has)
                raise InputError(f"--{name.replace('_', '-')} is for --worker {fitting}, not {options.worker}")
    return {taken[name]: getattr(options, name) for name in taken if getattr(options, name) is not None}


def check_device(options: argparse.Namespace) -> None:
    """Refuse a device that is not there before anything is computed; what a cluster has, only its machines know."""
    name = options.device
    elsewhere = options.worker == "slurm" or options.dask_scheduler is not None
    if name not in ("auto", "cpu") and not elsewhere:  # asking for the others loads torch
        try:
            choices(name, available())
        except ValueError as error:
            raise InputError(f"--device {name}: {error}") from error


def copy_tree(tree: Path, target: Path) -> None:
    """Copy a simulated tree out of the work folder; files that are there already are left alone."""
    for path in sorted(Path(tree).rglob("*")):
        if path.is_file():
            deliver(path, target / path.relative_to(tree))
