"""What the recipes' command lines have in common: parser, configuration file, kinds of values, running options.

An option that belongs to a step is registered under ``step.parameter`` and is passed on only when
the user gave it: each default is written once, in the step (a test compares them with the help).
"""

from __future__ import annotations

import argparse
import difflib
import math
import re
from pathlib import Path
from typing import Any

import shtab

from pydra_vae.options import cluster, config_file

LEVELS = ("participant", "group")
EXIT_CODES = """\
exit status:
  0    everything asked for was computed or already there
  1    some of it failed, as was said; everything else was delivered
  2    wrong arguments or unusable input
  130  interrupted
"""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=30, width=100)


class Parser(argparse.ArgumentParser):
    """An argument parser that takes ``--under_scores`` too, and options from a TOML file."""

    def __init__(self, **kwargs):
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **kwargs)

    def parse_known_args(self, args=None, namespace=None):
        import sys

        args = [_dashed(arg) for arg in cluster.joined(sys.argv[1:] if args is None else args)]
        args = self._positionals_first(args)
        config = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        config.add_argument("--config", nargs="?")  # this parser itself says where the file is missing
        known, _ = config.parse_known_args(args)
        if known.config:
            config_file.use(self, Path(known.config))
        namespace, unknown = super().parse_known_args(args, namespace)
        config_file.make_absolute(self, namespace)
        return namespace, unknown

    def parse_args(self, args=None, namespace=None):
        """As argparse does, but an option that there is not is told with the one that may be meant."""
        namespace, unknown = self.parse_known_args(args, namespace)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings if len(option) > 2]
            near = difflib.get_close_matches(unknown[0].partition("=")[0], known, 1)
            self.error(f"unrecognized arguments: {' '.join(unknown)}{f'; do you mean {near[0]}?' if near else ''}")
        return namespace

    def _positionals_first(self, args: list[str]) -> list[str]:
        """Take DERIVATIVES, OUTPUT and LEVEL wherever they stand, even after ``--participant-label 01 02``.

        argparse alone would count them among the labels, and start the demo.
        """
        known = {option: action for action in self._actions for option in action.option_strings}
        places = [action for action in self._actions if not action.option_strings]
        words: list[str] = []
        options: list[list[str]] = []
        rest = list(args)
        while rest:
            arg = rest.pop(0)
            if not arg.startswith("-"):
                words.append(arg)
                continue
            if arg.partition("=")[0] not in known:
                return args  # argparse says what is wrong
            n = 0 if "=" in arg else _values_of(known[arg], rest)
            options.append([arg, *rest[:n]])
            rest = rest[n:]
        for option in options:
            if option[-1] in (places[-1].choices or ()) and len(option) > 2:  # so its action takes several
                n = max(min(len(places) - len(words), len(option) - 2), 0)
                words += option[len(option) - n :]
                del option[len(option) - n :]
        return [*words, *(word for option in options for word in option)]


def _values_of(action: argparse.Action, rest: list[str]) -> int:
    """How many of the next words an option takes."""
    if action.nargs in ("+", "*"):
        return next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
    return 1 if action.nargs is None else action.nargs if isinstance(action.nargs, int) else 0


def _dashed(arg: str) -> str:
    """``--participant_label=01`` → ``--participant-label=01``; values are left alone."""
    if not arg.startswith("--"):
        return arg
    name, sign, value = arg.partition("=")
    return name.replace("_", "-") + sign + value


def bare_label(text: str) -> str:
    """``sub-01`` and ``01`` name the same participant."""
    return text.removeprefix("sub-").removeprefix("ses-")


class Number:
    """A number within bounds, for ``type=``; what it says of others needs no knowledge of Python."""

    def __init__(self, what: str, kind: type = float, least: float = 0.0, most: float = math.inf, open_: bool = False):
        self.what, self.kind, self.least, self.most, self.open = what, kind, least, most, open_

    def __call__(self, text: str) -> float:
        try:
            value = self.kind(text)
        except ValueError:
            value = math.nan
        if not self.least <= value <= self.most or (self.open and value == self.least) or math.isinf(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {self.what}")
        return value


GB = {"K": 1e-6, "M": 1e-3, "G": 1.0, "T": 1e3}


class Memory:
    """An amount of memory in GB, for ``type=``; a number without its unit is in the option's own.

    >>> Memory("G")("16"), Memory("M")("16000"), Memory("M")("1.5TB")
    (16.0, 16.0, 1500.0)
    """

    def __init__(self, unit: str):
        self.unit = unit

    def __call__(self, text: str) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)(i?)B?", text.strip(), re.IGNORECASE)
        if not match or not float(match[1]):
            raise argparse.ArgumentTypeError(f"{text!r} is no amount of memory, such as 16GB")
        unit = (match[2] or self.unit).upper()
        binary = 1.024 ** {"K": 1, "M": 2, "G": 3, "T": 4}[unit] if match[3] else 1.0
        return float(match[1]) * GB[unit] * binary


positive = Number("a whole number from 1 on", int, 1)
frames = Number("a whole number of frames, from 0 on", int)
above_zero = Number("a number above 0", open_=True)
from_zero = Number("a number from 0 on")
share = Number("a share between 0 and 1", most=1.0)
whole = Number("a whole number from 0 on", int)


class Group:
    """Options of one heading; ``step`` registers one that goes to a step when it was given."""

    def __init__(self, parser: Parser, title: str, description: str | None = None):
        self._group = parser.add_argument_group(title, description)

    def add(self, *names: str, **kwargs) -> argparse.Action:
        return self._group.add_argument(*names, **kwargs)

    def step(self, step: str, name: str, parameter: str | None = None, **kwargs) -> None:
        parameter = parameter or name.lstrip("-").replace("-", "_")
        self._group.add_argument(name, dest=f"{step}.{parameter}", default=argparse.SUPPRESS, **kwargs)


def step_options(namespace: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What the user gave, by step: ``{"fit": {"latent_dim": 9}, …}``."""
    given: dict[str, dict[str, Any]] = {}
    for dest, value in vars(namespace).items():
        step, dot, parameter = dest.partition(".")
        if dot:
            given.setdefault(step, {})[parameter] = value
    return given


def common(parser: Parser, version: str) -> None:
    parser.add_argument("--version", action="version", version=f"pydra-vae {version}")
    parser.add_argument(
        "--config", metavar="FILE",
        help="TOML file with any of these options as keys, and derivatives, output, level; the command line wins",
    ).complete = shtab.FILE  # fmt: skip


def level(parser: Parser, text: str) -> None:
    """LEVEL, after DERIVATIVES and OUTPUT."""
    parser.add_argument("analysis_level", nargs="?", choices=LEVELS, metavar="LEVEL", help=text)


def bids_filter(group: Group, key: str) -> None:
    """``--bids-filter-file`` of a recipe that reads images of that key."""
    group.add(
        "--bids-filter-file", type=Path, metavar="FILE",
        help="JSON as fMRIPrep takes it: entities that files must have, such as"
        f' {{"{key}": {{"session": ["01", "02"], "acquisition": null}}}}; null: files without it, "*": any value',
    )  # fmt: skip


def running(parser: Parser) -> None:
    group = Group(parser, "running")
    group.add(
        "--work-dir",
        "-w",
        type=Path,
        metavar="DIR",
        help="where steps are cached (default: ./work; see the README for when it may go)",
    ).complete = shtab.DIRECTORY
    group.add(
        "--n-procs", "--nprocs", "--n-cpus", "--nthreads", type=positive, metavar="N",
        help="processes side by side (default: the number of cores, at most 8)",
    )  # fmt: skip
    group.add(
        "--mem-gb", type=Memory("G"), metavar="GB",
        help="upper bound of memory: as many processes side by side as fit, at most --n-procs (default: no bound)",
    )  # fmt: skip
    group.add("--mem", "--mem-mb", dest="mem_gb", type=Memory("M"), metavar="MB",
              help="the same in MB, or with its unit: 16GB")  # fmt: skip
    group.add(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="auto, cpu, cuda, cuda:N or mps; no part of the cache (default: auto)",
    )
    group.add("--fits-per-gpu", type=positive, metavar="N", help="fits that may share a GPU (default: 1)")
    group.add("--fits-together", type=positive, metavar="N",
              help="fits that train side by side in one process (default: 1 on a CPU, 15 on a GPU)")  # fmt: skip
    group.add("--dry-run", action="store_true", help="say what would be read and written; run nothing")
    group.add("--stop-on-first-crash", action="store_true", help="start nothing more after a failure")
    group.add("--break-locks", action="store_true", help="remove locks that other runs left behind")
    group.add("--verbose", "-v", action="count", default=0, help="say more; repeat for still more")
    cluster.cluster(parser)
