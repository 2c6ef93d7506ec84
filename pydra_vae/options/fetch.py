"""The command line of ``pydra-vae fetch``."""

from __future__ import annotations

from pathlib import Path

import shtab

from pydra_vae.options.parser import EXIT_CODES, Group, Parser, bare_label, common, positive

RECIPES = ("finn", "motor", "structural")


def fetch_parser(prog: str | None = None, version: str = "") -> Parser:
    """The command line of ``fetch``."""
    parser = Parser(
        prog=prog,
        usage="%(prog)s DATASET [options]\n       %(prog)s --help    (all options)",
        description=(
            "Downloads the files that a recipe reads, and no others. What is there is not fetched again, a broken\n"
            "download goes on where it broke, and every file is held against the checksum of the server's listing.\n\n"
            "DATASET is\n"
            "  dsNNNNNN        fMRIPrep's derivatives of an OpenNeuro dataset, such as ds001338\n"
            "  paranoia        the naturalistic-data copy of ds001338 (GIN, ljchang/Paranoia)\n"
            "  gin:OWNER/NAME  another DataLad dataset on GIN that holds a folder fmriprep\n"
            "  hcp-motor       motor runs of HCP's 1200 Subjects release, with your own credentials"
        ),
        epilog=EXIT_CODES,
    )
    parser.add_argument("dataset", metavar="DATASET", help="what to fetch")
    common(parser, version)
    which = Group(parser, "which files")
    which.add("--for", dest="recipe", choices=RECIPES, help="recipe that shall read them (default: finn)")
    which.add("--participant-label", "--subjects", nargs="+", type=bare_label, metavar="LABEL",
              help="participants, with or without sub- (default: all)")  # fmt: skip
    which.add("--session-label", nargs="+", type=bare_label, metavar="LABEL", help="sessions (default: all)")
    which.add("--task-id", nargs="+", metavar="TASK", help="tasks (default: all)")
    which.add("--run", nargs="+", type=positive, metavar="N", help="run numbers (default: all)")
    which.add("--space", metavar="SPACE", help="output space; func: the run's own (default: the recipe's)")
    which.add("--res", metavar="RES", help="resolution of the space; none: files without (default: all there are)")
    which.add("--prefix", metavar="TEXT", help="text in the series' names that is no entity; none: without"
              " (default: denoise_smooth6mm for paranoia, else none)")  # fmt: skip
    which.add("--kind", choices=("gm", "wm", "csf", "t1w"), default="gm", help="maps for structural (default: gm)")
    which.add("--direction", choices=("LR", "RL", "both"), default="LR",
              help="phase encoding of HCP's runs (default: LR)")  # fmt: skip
    which.add("--subject-surfaces", action="store_true", help="the HCP subjects' own surfaces, too")
    how = Group(parser, "how")
    how.add("--output", "-o", type=Path, metavar="DIR",
            help="folder that becomes the derivatives (default: a folder named as the dataset)"
            ).complete = shtab.DIRECTORY  # fmt: skip
    how.add("--dry-run", action="store_true", help="list the files and their sizes; fetch nothing")
    how.add("--jobs", "-j", type=positive, default=4, metavar="N", help="files at once (default: 4)")
    how.add("--overwrite", action="store_true", help="replace files that are there and differ from the server's")
    how.add("--no-checksums", action="store_true", help="compare sizes alone: faster where all is there already")
    how.add("--profile", metavar="NAME", help="section of ~/.aws/credentials, for hcp-motor (default: the"
            " environment's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, else hcp, else default)")  # fmt: skip
    how.add("--endpoint-url", metavar="URL", help="another server of the same buckets and repositories: a mirror")
    return parser
