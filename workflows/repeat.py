"""The configuration that repeats a run, written beside its outputs: ``OUTPUT/code/finn_participant.toml``.

``pydra-vae finn --config OUTPUT/code/finn_participant.toml`` does the same again, and computes nothing while the work
folder is there. BIDS keeps the folder ``code/`` for such files. It is that of a level's latest run: of the jobs of an
array, which take some subjects each, the last one to start.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from pydra_vae import __version__
from pydra_vae.bids.dataset import check_recipe
from pydra_vae.bids.texts import write_text
from pydra_vae.options.config_file import given_values
from pydra_vae.workflows.program import work_dir


@dataclass(frozen=True)
class Repeat:
    """What a command line asked for.

    Attributes
    ----------
    recipe, level : str
    values : dict
        Keys of a configuration file, of everything that is not the default.
    command : str
        As it was typed.
    """

    recipe: str
    level: str
    values: dict[str, Any]
    command: str

    def path(self, output: Path) -> Path:
        """Where the file goes."""
        return Path(output).absolute() / "code" / f"{self.recipe}_{self.level}.toml"

    def write(self, output: Path) -> Path:
        """Write the file, complete or not at all; one that says the same stays, with the command line that made it."""
        check_recipe(output, self.recipe)
        path = self.path(output)
        if _values_of(path) == self.values:
            return path
        write_text(path, self.text(path))
        return path

    def text(self, path: Path) -> str:
        """The content of the file."""
        comments = [
            f"pydra-vae {__version__}. This file repeats the run:",
            f"  {shlex.join(['pydra-vae', self.recipe, '--config', str(path)])}",
            "It was written by:",
            *(f"  {line}" for line in self.command.splitlines()),
        ]
        return "".join(f"# {line}\n" for line in comments) + "\n" + tomli_w.dumps(self.values)


def repeat_of(
    parser: argparse.ArgumentParser, options: argparse.Namespace, argv: Sequence[str] | None, recipe: str, level: str
) -> Repeat:
    """What a command line asked for, before the recipe fills in what was left open.

    Parameters
    ----------
    parser : ArgumentParser
    options : Namespace
        As the parser gave it.
    argv : sequence of str or None
        Its arguments; None for those of this process.
    recipe, level : str
    """
    values = given_values(parser, options) | {"work-dir": str(work_dir(options))}
    arguments = sys.argv[1:] if argv is None else argv
    return Repeat(recipe, level, values, shlex.join([*parser.prog.split(), *arguments]))


def _values_of(path: Path) -> dict[str, Any] | None:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
