"""``pydra-vae RECIPE …``: dispatches to the recipes' own command lines, and to the commands beside them."""

from __future__ import annotations

import importlib
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

PROG = "pydra-vae"


class Command(NamedTuple):
    """One word after ``pydra-vae``.

    Attributes
    ----------
    module : str
        Whose ``main(argv, prog)`` it is.
    parser : str
        Module and name of the function that makes its parser, for completion.
    summary : str
    """

    module: str
    parser: str
    summary: str


RECIPES = {
    "finn": Command(
        "pydra_vae.workflows.finn",
        "pydra_vae.options.finn:finn_parser",
        "one convolutional VAE a subject over time series of voxels or vertices",
    ),
    "motor": Command(
        "pydra_vae.workflows.motor",
        "pydra_vae.options.motor:motor_parser",
        "a temporally independent sequential VAE on the cortical surface, beside ICA",
    ),
    "structural": Command(
        "pydra_vae.workflows.structural",
        "pydra_vae.options.structural:structural_parser",
        "VAEs of brain volumes, and what their latents mean",
    ),
}
TOOLS = {
    "fetch": Command(
        "pydra_vae.fetch", "pydra_vae.options.fetch:fetch_parser", "download public derivatives, only what is needed"
    ),
    "clean": Command(
        "pydra_vae.workflows.clean",
        "pydra_vae.workflows.clean:clean_parser",
        "remove results from a work folder that nothing can reach any more",
    ),
}
COMMANDS = RECIPES | TOOLS
COMPLETION = "--print-completion"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in COMMANDS:
        command = importlib.import_module(COMMANDS[argv[0]].module)
        return command.main(argv[1:], prog=f"{PROG} {argv[0]}")
    if argv in (["--version"], ["-V"]):
        from pydra_vae import __version__

        print(f"{PROG} {__version__}")
        return 0
    if argv and argv[0].partition("=")[0] == COMPLETION:
        return _complete([*argv[0].split("=")[1:], *argv[1:]])
    if argv in ([], ["-h"], ["--help"]):
        print(_help())
        return 0
    print(f"{PROG}: unknown recipe {argv[0]!r}; there are {', '.join(COMMANDS)}, and --help", file=sys.stderr)
    return 2


def _help() -> str:
    from pydra_vae.options.parser import EXIT_CODES

    width = max(map(len, COMMANDS))
    lines = [f"usage: {PROG} RECIPE DERIVATIVES OUTPUT {{participant,group}} [options]\n\nLatent spaces of brain data."]
    for title, commands in (("recipes", RECIPES), ("beside them", TOOLS)):
        lines.append(f"\n{title}:")
        lines += [f"  {name:<{width}}  {command.summary}" for name, command in commands.items()]
    lines.append(f"\n{PROG} RECIPE --help shows the options of a recipe.")
    lines.append(f"{PROG} {COMPLETION} {{bash,zsh,tcsh,fish}} prints what completes all of this in a shell.")
    return "\n".join([*lines, "", EXIT_CODES.rstrip()])


def _complete(shells: list[str]) -> int:
    """Print a shell's completion script."""
    import shtab

    if len(shells) != 1 or shells[0] not in shtab.SUPPORTED_SHELLS:
        known = ", ".join(shtab.SUPPORTED_SHELLS)
        print(f"{PROG}: {COMPLETION} takes one shell, of {known}; not {' '.join(shells) or 'none'}", file=sys.stderr)
        return 2
    print(shtab.complete(whole_parser(), shell=shells[0]))
    return 0


def whole_parser() -> ArgumentParser:
    """A parser of all commands, which only completion needs: it loads every option."""
    import shtab

    parser = ArgumentParser(prog=PROG, allow_abbrev=False)
    parser.add_argument("--version", action="version", version="")
    parser.add_argument(COMPLETION, choices=shtab.SUPPORTED_SHELLS)
    commands = parser.add_subparsers(dest="command")
    for name, command in COMMANDS.items():
        module, _, function = command.parser.partition(":")
        own = getattr(importlib.import_module(module), function)(f"{PROG} {name}")
        for action in own._actions:
            if action.type is Path and not hasattr(action, "complete"):
                action.complete = shtab.FILE
        commands.add_parser(name, help=command.summary, parents=[own], add_help=False, conflict_handler="resolve")
    return parser


if __name__ == "__main__":
    sys.exit(main())
