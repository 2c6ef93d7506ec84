"""The recipes' command lines and configuration files; nothing else of ours is imported here.

An option that belongs to a step is registered under ``step.parameter`` and is passed on only when
the user gave it: each default is written once, in the step (a test compares them with the help).
"""

from __future__ import annotations

import argparse
import difflib
import math
import tomllib
from pathlib import Path
from typing import Any

import shtab

EXIT_CODES = """\
exit status:
  0    everything asked for was computed or already there
  1    some subjects failed; the others were delivered
  2    wrong arguments or unusable input; nothing was computed
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

        args = [_dashed(arg) for arg in (sys.argv[1:] if args is None else args)]
        args = self._positionals_first(args)
        config = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        config.add_argument("--config")
        known, _ = config.parse_known_args(args)
        if known.config:
            self._use_config(Path(known.config))
        return super().parse_known_args(args, namespace)

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

    def _use_config(self, path: Path) -> None:
        """Take values of a TOML file as defaults; keys are the options without their dashes."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            self.error(f"--config {path}: cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            self.error(f"--config {path}: not UTF-8 text, which TOML is: {error}")
        except tomllib.TOMLDecodeError as error:
            self.error(f"--config {path}: not valid TOML: {error}")
        actions = {option.lstrip("-"): a for a in self._actions for option in a.option_strings}
        for key, value in values.items():
            action = actions.get(key.replace("_", "-"))
            if action is None or key in ("help", "version", "config"):
                names = [name for name in actions if len(name) > 1 and name not in ("help", "version", "config")]
                near = difflib.get_close_matches(key.replace("_", "-"), names, 1)
                meant = f"; do you mean {near[0]}?" if near else ""
                self.error(
                    f"--config {path}: unknown key {key!r}{meant} Keys are options without their dashes, in no "
                    "[section]; --help lists them"
                )
            action.default = self._config_value(path, key, action, value)
            action.required = False

    def _config_value(self, path: Path, key: str, action: argparse.Action, value: Any) -> Any:
        if action.nargs == 0:
            if not isinstance(value, bool):
                self.error(f"--config {path}: {key} is a switch: write true or false, not {value!r}")
            return value
        many = action.nargs in ("+", "*")
        values = value if isinstance(value, list) else [value]
        if not many and len(values) != 1:
            self.error(f"--config {path}: {key} takes one value, not {value!r}")
        try:
            typed = [self._get_value(action, str(v)) for v in values]
            for item in typed:
                self._check_value(action, item)
        except argparse.ArgumentError as error:
            self.error(f"--config {path}: {error}")
        return typed if many else typed[0]


def _values_of(action: argparse.Action, rest: list[str]) -> int:
    """How many of the next words an option takes."""
    if action.nargs in ("+", "*"):
        return next((i for i, word in enumerate(rest) if word.startswith("-")), len(rest))
    return 1 if action.nargs is None else 0


def _dashed(arg: str) -> str:
    """``--participant_label=01`` → ``--participant-label=01``; values are left alone."""
    if not arg.startswith("--"):
        return arg
    name, sign, value = arg.partition("=")
    return name.replace("_", "-") + sign + value


def _label(text: str) -> str:
    """``sub-01`` and ``01`` name the same participant."""
    return text.removeprefix("sub-").removeprefix("ses-")


class _Number:
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


_positive = _Number("a whole number from 1 on", int, 1)
_frames = _Number("a whole number of frames, from 0 on", int)
_above_zero = _Number("a number above 0", open_=True)
_from_zero = _Number("a number from 0 on")
_share = _Number("a share between 0 and 1", most=1.0)
_whole = _Number("a whole number from 0 on", int)


class _Group:
    """Options of one heading; ``step`` registers one that goes to a step when it was given."""

    def __init__(self, parser: Parser, title: str, description: str | None = None):
        self._group = parser.add_argument_group(title, description)

    def add(self, *names: str, **kwargs) -> argparse.Action:
        return self._group.add_argument(*names, **kwargs)

    def step(self, step: str, name: str, parameter: str | None = None, **kwargs) -> None:
        parameter = parameter or name.lstrip("-").replace("-", "_")
        self._group.add_argument(
            name, dest=f"{step}.{parameter}", default=argparse.SUPPRESS, **kwargs
        )


def step_options(namespace: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What the user gave, by step: ``{"fit": {"latent_dim": 9}, …}``."""
    given: dict[str, dict[str, Any]] = {}
    for dest, value in vars(namespace).items():
        step, dot, parameter = dest.partition(".")
        if dot:
            given.setdefault(step, {})[parameter] = value
    return given


def _common(parser: Parser, version: str) -> None:
    parser.add_argument("--version", action="version", version=f"pydra-vae {version}")
    parser.add_argument(
        "--config", metavar="FILE", help="TOML file with any of these options as keys"
    ).complete = shtab.FILE
    shtab.add_argument_to(parser, "--print-completion", help="print a shell's completion script")


def _running(parser: Parser) -> None:
    group = _Group(parser, "running")
    group.add(
        "--work-dir", "-w", type=Path, metavar="DIR",
        help="where steps are cached (default: ./work; see the README for when it may go)",
    ).complete = shtab.DIRECTORY
    group.add(
        "--n-procs", "--nprocs", type=_positive, metavar="N",
        help="processes side by side (default: the number of cores, at most 8)",
    )  # fmt: skip
    group.add(
        "--device", default="auto", metavar="DEVICE",
        help="auto, cpu, cuda, cuda:N or mps; no part of the cache (default: auto)",
    )
    group.add("--fits-per-gpu", type=_positive, metavar="N", help="fits that may share a GPU (default: 1)")
    group.add("--fits-together", type=_positive, metavar="N",
              help="fits that train side by side in one process (default: 1 on a CPU, 15 on a GPU)")  # fmt: skip
    group.add("--dry-run", action="store_true", help="say what would be read and written; run nothing")
    group.add("--stop-on-first-crash", action="store_true", help="start nothing more after a failure")
    group.add("--break-locks", action="store_true", help="remove locks that other runs left behind")
    group.add("--verbose", "-v", action="count", default=0, help="say more; repeat for still more")


def finn_parser(prog: str | None = None, version: str = "") -> Parser:
    """The command line of ``finn``."""
    parser = Parser(
        prog=prog,
        usage=(
            "%(prog)s DERIVATIVES OUTPUT participant [options]\n"
            "       %(prog)s DERIVATIVES OUTPUT group [options]\n"
            "       %(prog)s [--size tiny]    (the demo, on simulated data)\n"
            "       %(prog)s --help           (all options)"
        ),
        description=(
            "Latent spaces of BOLD series: one convolutional VAE a subject over voxel time series\n"
            "(Singla, Bazin and Scherf 2025). Reads an fMRIPrep derivatives folder; writes latent maps,\n"
            "denoised BOLD, tSNR, reconstruction errors beside their controls, and a report.\n\n"
            "Without DERIVATIVES: the embedded demo on simulated data, in ./finn-demo."
        ),
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "derivatives", nargs="?", type=Path, metavar="DERIVATIVES", help="fMRIPrep derivatives folder"
    ).complete = shtab.DIRECTORY
    parser.add_argument(
        "output", nargs="?", type=Path, metavar="OUTPUT", help="folder for the results"
    ).complete = shtab.DIRECTORY
    parser.add_argument(
        "analysis_level", nargs="?", choices=("participant", "group"), metavar="LEVEL",
        help="participant: fit and report each subject; group: tables and index from OUTPUT alone",
    )  # fmt: skip
    _common(parser, version)
    _reading(parser)
    _series(parser)
    _model(parser)
    _measures(parser)
    _analyses(parser)
    _group(parser)
    _running(parser)
    demo = _Group(parser, "demo (without DERIVATIVES)")
    demo.add("--size", choices=("tiny", "default"), default="default",
             help="tiny: under a minute, for continuous integration (default: default)")  # fmt: skip
    return parser


def _reading(parser: Parser) -> None:
    group = _Group(parser, "which runs")
    many = {"nargs": "+", "metavar": "LABEL"}
    group.add("--participant-label", type=_label, **many, help="subjects, with or without sub-")
    group.add("--session-label", type=_label, **many, help="sessions, with or without ses-")
    group.add("--task-id", **many, help="tasks; several are joined in time in the order given")
    group.add("--run", type=_whole, nargs="+", metavar="N", help="run numbers")
    group.add("--space", help="output space (default: MNI152NLin2009cAsym, else the only one there is)")
    group.add("--res", metavar="LABEL", help="resolution entity, where several exist")
    for name in ("echo", "rec", "acq", "part"):
        group.add(f"--{name}", metavar="LABEL", help=f"{name} entity, where several exist; none: files without it")
    group.add("--prefix", metavar="TEXT", help="text after the subject that is no entity (smooth6mm); none: without")
    group.add("--split-runs", action="store_true",
              help="each run on its own, with a model of its own, instead of all runs of a subject joined")  # fmt: skip


def _series(parser: Parser) -> None:
    group = _Group(parser, "from volumes to series")
    group.add(
        "--atlas", metavar="NAME|FILE|none",
        help="voxels are those of this atlas, all labels > 0: a TemplateFlow atlas, a dseg.nii.gz with its"
        " .tsv beside it, or none for the runs' brain mask (default: Schaefer2018, 200 parcels,"
        " 17 networks; none with --mask)",
    )  # fmt: skip
    group.add("--mask", type=Path, metavar="FILE", help="voxels are those of this mask; with --atlas, those of both")
    group.step(
        "extract", "--confounds", "strategy", choices=("none", "simple", "scrubbing", "compcor", "ica_aroma"),
        help="nilearn's fMRIPrep denoising strategy (default: none)",
    )  # fmt: skip
    group.step("extract", "--fd-threshold", type=_above_zero, metavar="MM",
               help="censor frames with a larger framewise displacement (default: none)")  # fmt: skip
    group.step("extract", "--std-dvars-threshold", type=_above_zero, metavar="SD",
               help="censor frames with larger standardised DVARS (default: none)")  # fmt: skip
    group.step("extract", "--dummy-scans", type=_frames, metavar="N",
               help="censor the first N frames beside the non-steady-state ones (default: 0)")  # fmt: skip
    group.step("extract", "--smoothing-fwhm", type=_from_zero, metavar="MM", help="smooth (default: no)")
    group.step("extract", "--high-pass", type=_from_zero, metavar="HZ", help="high-pass filter (default: no)")
    group.step(
        "normalize", "--normalize", "method", choices=("minmax", "minmax_timepoint", "global", "zscore"),
        help="minmax: each voxel to [0, 1]; minmax_timepoint: each frame, as scikit-learn's MinMaxScaler"
        " does to voxels × time (default: minmax)",
    )  # fmt: skip
    group.step("normalize", "--no-match-baselines", "match_baselines", action="store_false",
               help="keep the difference between the runs' voxel means")  # fmt: skip


def _model(parser: Parser) -> None:
    group = _Group(parser, "model and training")
    group.add("--preset", choices=("paper",), help="paper: everything that the paper states")
    group.step("fit", "--network", choices=("lk", "paper", "dense"), help="(default: lk)")
    group.step("fit", "--latent-dim", type=_positive, metavar="D", help="(default: 9)")
    group.step("fit", "--linear-skip", choices=("none", "pca"),
               help="pca: start from PCA of the same size (default: none)")  # fmt: skip
    group.step("fit", "--mixing", type=_share, metavar="P",
               help="share of training voxels replaced by mixtures of two (default: 0)")  # fmt: skip
    group.step("fit", "--recipe", choices=("fast", "paper"),
               help="fast: one-cycle in steps; paper: constant rate, patience 100 (default: fast)")  # fmt: skip
    group.step("fit", "--max-steps", type=_positive, metavar="N", help="(default: the recipe's)")
    group.step("fit", "--max-epochs", type=_positive, metavar="N", help="the smaller of both wins")
    group.step("fit", "--batch-size", type=_positive, metavar="N", help="voxels a step (280 in both recipes)")
    group.step("fit", "--learning-rate", type=_above_zero, metavar="LR", help="(default: the recipe's)")
    group.step("fit", "--patience", type=_positive, metavar="EPOCHS", help="(default: the recipe's)")
    group.step("fit", "--kl-weight", type=_from_zero, metavar="W",
               help="weight of the KL term; 0: z is the encoder's mean (default: 0)")  # fmt: skip
    group.step("fit", "--beta", type=_from_zero, metavar="B",
               help="the same weight as β of the evidence lower bound, in nats; instead of --kl-weight")  # fmt: skip
    group.step("fit", "--mmd-weight", type=_from_zero, metavar="W",
               help="weight of InfoVAE's MMD between the latents of all voxels and the prior (default: 0)")  # fmt: skip
    group.step("fit", "--kl-annealing-steps", type=_positive, metavar="N",
               help="warm-up of the KL weight (default: 0)")  # fmt: skip
    group.step("fit", "--annealing", choices=("linear", "cyclical", "sigmoid"), help="its shape (default: linear)")
    group.step("fit", "--sample-latent", action="store_true", help="sample z with KL weight 0 too")
    group.add("--split", choices=("random", "blocked", "parcel", "both"),
              help="voxels of training, validation and test (70/10/20): random is the paper's; both adds a"
              " second fit on 24 mm blocks for the table (default: random)")  # fmt: skip
    group.add("--seed", type=_whole, metavar="N", help="of split and fit (default: 0, or the model's)")
    group.step("fit", "--threads", type=_positive, metavar="N",
               help="CPU threads of a fit; part of the result (default: 1)")  # fmt: skip
    group.add("--warm-start", type=Path, metavar="FILE",
              help="a *_model.safetensors of equal size, such as another subject's, to start fits from")  # fmt: skip
    group.add("--model", type=Path, metavar="FILE",
              help="a *_model.safetensors: encode and reconstruct these runs with it; fit nothing")  # fmt: skip


def _measures(parser: Parser) -> None:
    group = _Group(parser, "measures")
    group.step("tsnr", "--tsnr-units", "units", choices=("auto", "scanner", "scaled"),
               help="auto: scanner, or scaled where the data are residuals (default: auto)")  # fmt: skip
    group.add("--mean-image", type=Path, metavar="FILE",
              help="mean image to add to residual data, for tSNR in scanner units")  # fmt: skip
    group.step("error", "--emse-frame", type=_frames, metavar="T",
               help="frame of the volume-wise error (default: 900, else the middle)")  # fmt: skip


# Beside the fit, by level; those that need further fits are done only when asked for.
PARTICIPANT_ANALYSES = ("latents", "outliers", "samples", "sweep", "kl", "reliability")
GROUP_ANALYSES = ("transfer", "alignment", "statistics", "identification", "shared")
FITS_NEEDED = ("sweep", "kl", "reliability", "identification", "shared")


def chosen_analyses(given: list[str] | None, level: str) -> list[str]:
    """The analyses of a level: those given, or all that need no further fits.

    >>> chosen_analyses(["sweep", "transfer"], "group")
    ['transfer']
    """
    known = PARTICIPANT_ANALYSES if level == "participant" else GROUP_ANALYSES
    if given is None:
        return [name for name in known if name not in FITS_NEEDED]
    return [name for name in known if name in given or "all" in given]


def _analyses(parser: Parser) -> None:
    group = _Group(parser, "analyses beside the fit")
    every = (*PARTICIPANT_ANALYSES, *GROUP_ANALYSES, "all", "none")
    group.add(
        "--analyses", nargs="+", choices=every, metavar="NAME",
        help="participant: latents (structure, maps, networks, geometry), outliers, samples; sweep (latent size),"
        " kl (KL and its relatives), reliability (split-half, surrogate). group: transfer, alignment, statistics;"
        " identification, shared (models of several subjects). all, none (default: those that need no further"
        " fits; alignment fits each subject once more, for its floor)",
    )  # fmt: skip
    group.add("--sweep-sizes", type=_positive, nargs="+", metavar="D", help="latent sizes (default: 2 to 16)")
    group.add("--sweep-seeds", type=_positive, metavar="N", help="fits of each size (default: 2)")
    group.add("--betas", type=_above_zero, nargs="+", metavar="B", help="β of the kl analysis (default: 0.1 1 4)")
    group.add("--mmd-weights", type=_above_zero, nargs="+", metavar="W",
              help="weights of the MMD in the kl analysis (default: 0.01 0.1)")  # fmt: skip
    group.step("views", "--tsne", action="store_true", help="t-SNE of the latent space too")
    group.step("views", "--umap", action="store_true", help="UMAP of the latent space too (needs the extra umap)")
    group.step("gradients", "--gradient-level", "level", choices=("auto", "voxel", "seed", "parcel"),
               help="connectome of the diffusion embedding: voxel by voxel up to 10,000 voxels, else voxel by parcel"
               " (seed), or parcel by parcel (default: auto)")  # fmt: skip
    group.step("gradients", "--gradient-affinity", "affinity", choices=("cosine", "normalized_angle"),
               help="(default: cosine)")  # fmt: skip
    group.step("permutations", "--permutations", "n_permutations", type=_positive, metavar="N",
               help="of every permutation test; of those over persons 10,000 unless given (default: 1000)")  # fmt: skip
    group.add("--events-dir", type=Path, metavar="DIR",
              help="BIDS folder of the raw data, for *_events.tsv that do not lie among the derivatives"
              ).complete = shtab.DIRECTORY  # fmt: skip


def _group(parser: Parser) -> None:
    group = _Group(parser, "group level")
    group.step("transfer", "--transfer-voxels", "n_voxels", type=_positive, metavar="N",
               help="random voxels a pair of subjects, the paper's number (default: 2000)")  # fmt: skip
    group.add("--shared-training-labels", type=_label, nargs="+", metavar="LABEL",
              help="subjects on which the shared models are trained; the others join (default: all)")  # fmt: skip
    group.add("--shared-kinds", nargs="+", choices=("shared_decoder", "subject_decoders", "pooled"),
              metavar="KIND", help="shared_decoder, subject_decoders, pooled (default: all three)")  # fmt: skip
    group.step("shared", "--shared-steps", "max_steps", type=_positive, metavar="N",
               help="steps of a shared model")  # fmt: skip
    group.add("--participants", type=Path, metavar="FILE",
              help="participants.tsv (default: that of DERIVATIVES)").complete = shtab.FILE  # fmt: skip
    group.add("--score", metavar="COLUMN", help="column of participants.tsv to hold against latent distances")
