"""Where steps are computed: here, on a Dask cluster, or as jobs of Slurm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydra_vae.options.parser import Parser

WORKERS = ("local", "dask", "slurm")
# Their values are options of another program, which argparse would take for ours.
OF_OTHERS = ("--sbatch-args", "--gpu-sbatch-args")


def cluster(parser: Parser) -> None:
    """Add the options."""
    group = parser.add_argument_group("cluster", "the work folder must be the same on all machines")
    group.add_argument(
        "--worker", choices=WORKERS, default="local",
        help="where steps are computed: local (processes of this machine), dask, or slurm (default: local)",
    )  # fmt: skip
    group.add_argument(
        "--dask-scheduler", metavar="ADDRESS",
        help="a running Dask scheduler, as tcp://host:8786 (default: a local cluster of --n-procs)",
    )  # fmt: skip
    group.add_argument(
        "--sbatch-args", metavar="ARGS",
        help="arguments of sbatch for every step, in quotes: '--time=2:00:00 --mem=8G'",
    )  # fmt: skip
    group.add_argument(
        "--gpu-sbatch-args", metavar="ARGS",
        help="more of them for steps that may use a GPU: '--partition=gpu --gres=gpu:1'",
    )  # fmt: skip
    group.add_argument(
        "--max-jobs", type=_positive, metavar="N", help="steps on the cluster at a time (default: slurm 100, dask 1000)"
    )


def _positive(text: str) -> int:
    from pydra_vae.options.parser import positive

    return int(positive(text))


def joined(args: Sequence[str]) -> list[str]:
    """``--sbatch-args "--time=1"`` as one word, before anything looks at what begins with a dash.

    >>> joined(["--sbatch-args", "--time=1:00", "-v"])
    ['--sbatch-args=--time=1:00', '-v']
    """
    words: list[str] = []
    for arg in args:
        if words and words[-1].replace("_", "-") in OF_OTHERS:
            words[-1] = f"{words[-1]}={arg}"
        else:
            words.append(arg)
    return words
