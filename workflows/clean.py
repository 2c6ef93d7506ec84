"""``pydra-vae clean WORK``: delete results that no run with today's code and files can find any more."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import shtab
from rich.console import Console
from rich.table import Table

from pydra_vae.bids.files import InputError
from pydra_vae.engine import leftovers
from pydra_vae.engine.leftovers import Left
from pydra_vae.engine.reach import Stored, latest, remove, running, survey
from pydra_vae.options.parser import Parser
from pydra_vae.workflows.program import program, say

COMMAND = "clean"
_SHOWN = 5
DESCRIPTION = """\
Delete those results in a work folder that no run can find any more, because a step's code was edited, an input
changed or was deleted, or a run was interrupted before a fit's first checkpoint. Results of other parameters
stay: a run with these finds them. Notes that killed runs left of a cluster's jobs go too. Whatever is deleted is
computed again where it is needed; outputs are not touched.

Run your recipe first: what it then finds or computes is within reach. Results of steps of your own that
cannot be imported where clean runs (those of a script, or outside PYTHONPATH) stay.
"""
EPILOG = """\
exit status:
  0    done (or nothing to do)
  1    some folders could not be deleted
  2    no work folder, or a run is at work in it; nothing was deleted
"""


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """The program; returns its exit status."""
    options = clean_parser(prog).parse_args(argv)
    return program(COMMAND, lambda console: clean(options, console))


def clean_parser(prog: str | None = None) -> argparse.ArgumentParser:
    parser = Parser(prog=prog, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("work", type=Path, metavar="WORK", help="a recipe's --work-dir").complete = shtab.DIRECTORY
    parser.add_argument(
        "--keep-latest",
        action="store_true",
        help="keep the newest of results that only code or the content of files tell apart, out of reach or not:"
        " what you have of a step stays until its next version is computed",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted; delete nothing")
    return parser


def clean(options: argparse.Namespace, console: Console) -> int:
    """Look, say what is out of reach, and delete it.

    Raises
    ------
    InputError
        If the folder holds no results, or a run is at work in it.
    """
    work = _checked(options.work)
    left = _of_dead_runs(work, console)
    found = survey(work)
    if not found and not left:
        raise InputError(f"{options.work} holds no results of a recipe: give a folder that was a --work-dir")
    kept = latest(found) if options.keep_latest else set()
    out = [one for one in found if one.lost and one.folder not in kept]
    absences = list(dict.fromkeys(_absence(one.absent) for one in found if one.absent))
    for text in absences[:_SHOWN]:
        say(console, COMMAND, f"{text}: what was made from it stays", "yellow")
    if len(absences) > _SHOWN:
        say(console, COMMAND, f"… and {len(absences) - _SHOWN} more of this kind", "yellow")
    if out:
        console.print(_table(found, out))
    failed = [] if options.dry_run else [one for one in out if not _removed(one, console)]
    done = [one for one in out if one not in failed]
    stay = [one for one in found if one not in done]
    verb = "would be deleted (--dry-run)" if options.dry_run else "deleted"
    if left:
        console.print(f"notes of {len(left)} job(s) of runs that are gone {verb}")
    if not options.dry_run:
        leftovers.remove(left)
    console.print(f"{len(done)} results, {_size(done)}, {verb}; {len(stay)}, {_size(stay)}, stay")
    return 1 if failed else 0


def _absence(path: Path) -> str:
    if path.is_symlink():
        return f"the content of {path} is not there (dropped by DataLad?)"
    return f"{path.parent} is not there (a disk that is not mounted?)"


def _checked(work: Path) -> Path:
    if not work.is_dir():
        raise InputError(f"{work} is no folder: give a recipe's --work-dir")
    held = running(work)
    if held:
        who = f"process {held[0].pid} on {held[0].host}" if held[0].pid else "a process that left no name"
        raise InputError(
            f"{work}: {who} holds {held[0].path.name}: wait until its run has ended; if it is gone, delete that lock"
        )
    return work


def _of_dead_runs(work: Path, console: Console) -> list[Left]:
    """What jobs of a cluster left that nobody will ask for."""
    there = leftovers.look(work)
    if at_work := [one for one in there if one.needed]:
        raise InputError(f"{work}: {at_work[0].whose} is at work in it: wait until it has ended, or cancel it")
    for one in there:
        if one.needed is None:
            text = f"nobody here knows whether {one.whose} still needs {one.box.folder}: if it is gone, delete that"
            say(console, COMMAND, text, "yellow")
    return [one for one in there if one.needed is False]


def _removed(one: Stored, console: Console) -> bool:
    try:
        remove(one)
    except OSError as error:
        say(console, COMMAND, f"{one.folder} cannot be deleted: {error.strerror or error}")
        return False
    return True


def _table(found: Sequence[Stored], out: Sequence[Stored]) -> Table:
    """A row for each step and reason."""
    table = Table("step", "out of reach", "size", "because", box=None, header_style="bold")
    groups: dict[tuple[str, str], list[Stored]] = defaultdict(list)
    for one in out:
        groups[one.step, one.lost].append(one)
    for (step, lost), some in sorted(groups.items(), key=lambda group: -sum(one.size for one in group[1])):
        of = sum(one.step == step for one in found)
        table.add_row(step, f"{len(some)} of {of}", _size(some), lost)
    return table


def _size(some: Sequence[Stored]) -> str:
    return size_in_words(sum(one.size for one in some))


def size_in_words(n_bytes: float) -> str:
    """Bytes as a person would say them.

    >>> size_in_words(0), size_in_words(2_500_000), size_in_words(7.31e9), size_in_words(2e12)
    ('0 MB', '2.5 MB', '7.3 GB', '2.0 TB')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}"
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes else "0 MB"
