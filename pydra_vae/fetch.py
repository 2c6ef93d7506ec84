"""``pydra-vae fetch``: download what a recipe reads.

Lists the dataset, chooses by name, and brings the files (see `pydra_vae.downloads`). Runs on a machine with a network;
the recipes themselves need none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from pydra_vae import __version__
from pydra_vae.downloads import datasets
from pydra_vae.downloads.datasets import Listing, Places
from pydra_vae.downloads.files import FetchError
from pydra_vae.downloads.http import Client
from pydra_vae.downloads.needed import Wanted
from pydra_vae.downloads.shown import Shown, plan
from pydra_vae.downloads.sigv4 import HINT, SigV4, credentials
from pydra_vae.downloads.transfer import Outcome, Rules, check_names, fetch_files, missing_bytes
from pydra_vae.options.fetch import fetch_parser

HCP_MOTOR = "hcp-motor"


def main(argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Fetch what a command line asks for; returns the exit status."""
    parser = fetch_parser(prog, __version__)
    options = parser.parse_args(argv)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        listing, client = listed(options, lambda message: console.print(f"[yellow]waiting[/] {escape(message)}"))
        return _bring(listing, client, options, console)
    except FetchError as error:
        console.print(f"[bold red]error[/] {escape(str(error))}")
        return 2
    except KeyboardInterrupt:
        console.print("interrupted; what is here is kept, and the same command goes on")
        return 130


def listed(options: argparse.Namespace, say: Callable[[str], None] | None = None) -> tuple[Listing, Client]:
    """The files that the options choose, and who fetches them.

    Raises
    ------
    FetchError
        If the dataset is unknown, or `pydra_vae.downloads.datasets` cannot list it.
    """
    places, dataset = Places.at(options.endpoint_url), options.dataset
    if dataset.lower() == HCP_MOTOR:
        client = Client(
            SigV4(credentials(options.profile)), hint=f"Are the keys right and still valid? {HINT}", say=say
        )
        directions = datasets.DIRECTIONS if options.direction == "both" else (options.direction,)
        people = options.participant_label
        return datasets.hcp_motor(people, directions, options.subject_surfaces, client, places), client
    repository = datasets.PARANOIA if dataset.lower() == "paranoia" else None
    if match := datasets.GIN.match(dataset):
        repository = match[1]
    client = Client(say=say)
    if repository:
        return datasets.gin(repository, _wanted(options, repository), options.participant_label, places), client
    if match := datasets.OPENNEURO.match(dataset):
        return datasets.openneuro(match[1], _wanted(options), options.participant_label, client, places), client
    raise FetchError(
        f"{dataset!r} is no dataset that can be fetched: give dsNNNNNN, paranoia, gin:OWNER/NAME or {HCP_MOTOR}"
    )


def _wanted(options: argparse.Namespace, repository: str = "") -> Wanted:
    prefix = options.prefix
    if prefix is None and repository == datasets.PARANOIA:
        prefix = datasets.PARANOIA_PREFIX
    return Wanted(
        recipe=options.recipe or "finn",
        sessions=options.session_label,
        tasks=[task.removeprefix("task-") for task in options.task_id] if options.task_id else None,
        runs=[str(run) for run in options.run] if options.run else None,
        space=options.space.removeprefix("space-") if options.space else None,
        res=options.res.removeprefix("res-") if options.res else None,
        prefix="" if prefix in (None, "none", "n/a") else prefix,
        kind=options.kind,
    )


def _bring(listing: Listing, client: Client, options: argparse.Namespace, console: Console) -> int:
    check_names(listing.files)
    output = options.output or Path(options.dataset.rpartition("/")[2])
    for problem in listing.problems.values():
        console.print(f"[yellow]left out[/] {escape(problem)}")
    console.print(escape(plan(listing.files, output, missing_bytes(listing.files, output))))
    if options.dry_run:
        sys.stdout.writelines(f"{file.size:>12}  {file.path}\n" for file in listing.files)
        return 0
    rules = Rules(options.jobs, not options.no_checksums, options.overwrite)
    with Shown(listing.files, console) as shown:
        outcome = fetch_files(listing.files, output, client, rules, shown)
    return _told(outcome, listing, output, console)


def _told(outcome: Outcome, listing: Listing, output: Path, console: Console) -> int:
    """Say what came of it; the exit status."""
    for message in outcome.failed.values():
        console.print(f"[bold red]failed[/] {escape(message)}")
    if outcome.stopped:
        console.print(f"[bold red]stopped[/] {escape(outcome.stopped)}")
    console.print(
        f"{len(outcome.fetched)} fetched, {len(outcome.there)} there already, {len(outcome.failed)} failed, in "
        f"{escape(str(output))}"
    )
    if outcome.stopped and not (outcome.fetched or outcome.there):
        return 2
    return 1 if outcome.failed or outcome.stopped or listing.problems else 0


if __name__ == "__main__":
    sys.exit(main())
