"""The command line of motor."""

from __future__ import annotations

from pathlib import Path

import shtab

from pydra_vae.options.parser import (
    EXIT_CODES,
    Group,
    Parser,
    above_zero,
    bare_label,
    bids_filter,
    common,
    frames,
    from_zero,
    level,
    positive,
    running,
    whole,
)

MODELS = ("tivae-s", "tivae-f", "bvae-s", "bvae-f", "no-tc", "linear", "random", "unshared")


def motor_parser(prog: str | None = None, version: str = "") -> Parser:
    """The command line of ``motor``."""
    parser = Parser(
        prog=prog,
        usage=(
            "%(prog)s DATA OUTPUT [participant | group] [options]\n"
            "       %(prog)s [--size tiny]    (the demo, on simulated data)\n"
            "       %(prog)s --help           (all options)"
        ),
        description=(
            "TI-VAE: a temporally independent sequential VAE on the cortical surface, beside the β-VAE, ICA and PCA.\n"
            "Reads HCP subject folders or fMRIPrep derivatives with surface data; writes factors, maps, scores\n"
            "against the task with their controls, and a report.\n\n"
            "Without DATA: the embedded demo on simulated data, in ./motor-demo."
        ),
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "data", nargs="?", type=Path, metavar="DATA", help="folder of HCP subjects, or fMRIPrep derivatives"
    ).complete = shtab.DIRECTORY
    parser.add_argument(
        "output", nargs="?", type=Path, metavar="OUTPUT", help="folder for the results"
    ).complete = shtab.DIRECTORY
    level(
        parser,
        "participant: prepare the recordings, and encode them with the models that OUTPUT already holds; group: fit,"
        " score and report over all recordings, prepared already or not (default: group)",
    )
    common(parser, version)
    _reading(parser)
    _surface(parser)
    _series(parser)
    _models(parser)
    _scoring(parser)
    running(parser)
    demo = Group(parser, "demo (without DATA)")
    demo.add("--size", choices=("tiny", "default"), default="default",
             help="tiny: a part of the region, for continuous integration (default: default)")  # fmt: skip
    return parser


def _reading(parser: Parser) -> None:
    group = Group(parser, "which recordings")
    many = {"nargs": "+", "metavar": "LABEL"}
    group.add("--participant-label", type=bare_label, **many, help="subjects, with or without sub-")
    group.add("--session-label", type=bare_label, **many, help="sessions, with or without ses-")
    group.add("--task-id", default="motor", metavar="LABEL", help="the task; rest works too (default: motor)")
    group.add("--direction", choices=("LR", "RL", "both"),
              help="HCP's phase encoding; the paper's timing is that of LR (default: LR)")  # fmt: skip
    group.add("--run", type=whole, nargs="+", metavar="N", help="run numbers (fMRIPrep)")
    group.add("--space", help="fsLR, fsaverage5, …, where there are several (fMRIPrep)")
    group.add("--den", metavar="LABEL", help="density, such as 91k, where there are several (fMRIPrep)")
    bids_filter(group, "bold")
    group.add("--events-dir", type=Path, metavar="DIR",
              help="BIDS folder of the raw data, for *_events.tsv that do not lie among the derivatives"
              ).complete = shtab.DIRECTORY  # fmt: skip


def _surface(parser: Parser) -> None:
    group = Group(parser, "surface and region")
    group.add("--surfaces", type=Path, nargs=2, metavar="FILE",
              help="left and right GIFTI surface for distances (default: the S1200 group pial surface for fsLR 32k,"
              " the template's for others)")  # fmt: skip
    group.add(
        "--subject-surfaces",
        action="store_true",
        help="the average of the distances on the subjects' own surfaces, where they lie beside the data",
    )
    group.add(
        "--labels",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="a dlabel.nii, or label.gii or annot of left and right (default: Yeo's 7 networks on fsLR 32k)",
    )
    group.add(
        "--region",
        nargs="+",
        metavar="LABEL",
        help="labels whose vertices are analysed; none: the whole cortex (default: 7Networks_2, somatomotor)",
    )
    group.add("--label-map", metavar="NAME", help="the map of the label file, where it has several (default: first)")
    group.step("geodesics", "--geodesic-limit", "limit", type=above_zero, metavar="MM",
               help="radius of the distances (default: 15.0)")  # fmt: skip
    group.step("clusters", "--n-clusters", type=positive, metavar="C", help="of each hemisphere (default: 64)")
    group.step("clusters", "--n-neighbors", type=positive, metavar="N", help="of a vertex's graph (default: 30)")
    group.add("--paper-clusters", action="store_true",
              help="appendix B of the paper to the letter, instead of the normalised Laplacian")  # fmt: skip


def _series(parser: Parser) -> None:
    group = Group(parser, "series")
    group.step("prepare", "--high-pass", type=from_zero, metavar="HZ", help="(default: 0.01)")
    group.step("prepare", "--low-pass", type=above_zero, metavar="HZ", help="(default: 0.15)")
    group.step("prepare", "--no-detrend", "detrend", action="store_false", help="keep linear trends")
    group.step("prepare", "--standardize", choices=("zscore", "none"), help="(default: zscore)")
    group.step("prepare", "--confounds", "strategy", choices=("none", "simple", "scrubbing", "compcor", "ica_aroma"),
               help="nilearn's fMRIPrep denoising strategy (default: none)")  # fmt: skip
    group.step("prepare", "--dummy-scans", type=frames, metavar="N", help="frames to drop at the start (default: 0)")
    group.add("--repetition-time", type=above_zero, metavar="S", help="where neither header nor sidecar has it")


def _models(parser: Parser) -> None:
    group = Group(parser, "models and training")
    group.add("--preset", choices=("paper",), help="paper: everything that the paper states")
    group.add("--models", nargs="+", choices=MODELS, metavar="NAME",
              help="tivae-s, tivae-f (structural, functional clusters), bvae-s, bvae-f (β-VAE); at the first size and"
              " seed: no-tc (β = 0), linear (no weight sharing), random (clusters), unshared (hemispheres)"
              " (default: all but bvae-f)")  # fmt: skip
    group.add("--latent-dims", type=positive, nargs="+", metavar="K", help="numbers of factors (default: 8 16)")
    group.add("--tc-weight", type=from_zero, metavar="B", help="β of TI-VAE: weight of the TC (default: 1)")
    group.add("--bvae-beta", type=from_zero, metavar="B",
              help="β of the β-VAE (default: 2; at 1 it is a TI-VAE at β = 0)")  # fmt: skip
    group.add("--seeds", type=whole, nargs="+", metavar="N", help="(default: 42 1337)")
    group.add("--grid", choices=("paper", "beta"),
              help="fits over k, β and seeds for figure 2A; beta: the sizes and seeds above × 5 β; paper: the paper's"
              " 576 fits")  # fmt: skip
    group.step("fit", "--recipe", choices=("fast", "paper"), help="(default: fast)")
    group.step("fit", "--max-steps", type=positive, metavar="N", help="(default: the recipe's)")
    group.step("fit", "--max-epochs", type=positive, metavar="N", help="the smaller of both wins")
    group.step("fit", "--batch-size", type=positive, metavar="N", help="recordings a step (default: the recipe's)")
    group.step("fit", "--crop", type=positive, metavar="T", help="frames a crop (default: the recipe's)")
    group.step("fit", "--learning-rate", type=above_zero, metavar="LR", help="(default: the recipe's)")
    group.step("fit", "--initialisation", choices=("lsuv", "orthogonal", "pytorch"), help="(default: lsuv)")
    group.step("fit", "--input-layer", choices=("per-hemisphere", "shared"), help="(default: per-hemisphere)")
    group.step("fit", "--temporal-decoder", action="store_true", help="a second causal GRU before the factors")
    group.step("fit", "--recurrent-l2", type=from_zero, metavar="W",
               help="weight of the squared norm of its hidden-to-hidden weights (default: 0)")  # fmt: skip
    group.step("fit", "--precision", choices=("auto", "float32", "bfloat16"),
               help="auto: bfloat16 where the processor has it (default: auto)")  # fmt: skip
    group.step("fit", "--threads", type=positive, metavar="N",
               help="CPU threads of a fit; part of the result (default: 1)")  # fmt: skip
    group.step("ica", "--ica-restarts", "n_restarts", type=positive, metavar="N", help="(default: 3)")


def _scoring(parser: Parser) -> None:
    group = Group(parser, "task and maps")
    group.add("--subtasks", nargs="+", metavar="NAME", help="trial types that count (default: all but cue)")
    group.add("--paper-timing", action="store_true",
              help="the paper's table of onsets, that of LR runs, instead of files of events")  # fmt: skip
    group.add("--hrf", metavar="NAME", help="haemodynamic response, as nilearn calls it (default: spm)")
    group.add("--reference", type=Path, nargs="+", metavar="FILE",
              help="maps of the sub-tasks to compare with: a dscalar.nii, a pair of GIFTIs, or NIfTI images in MNI"
              " space")  # fmt: skip
    group.add("--reference-names", nargs="+", metavar="NAME", help="sub-task of each reference map, in order")
    group.add("--rotate", choices=("spatial-infomax", "temporal-infomax", "varimax", "none"), default="spatial-infomax",
              help="score the factors rotated after training too (default: spatial-infomax)")  # fmt: skip
    group.add("--subject-maps", type=bare_label, nargs="+", metavar="LABEL", help="subjects whose own maps are made")
    group.step("task", "--permutations", "n_permutations", type=positive, metavar="N",
               help="circular shifts of the null (default: 1000)")  # fmt: skip
    group.add("--split-seed", type=whole, metavar="N", help="of the split of subjects 70/10/20 (default: 42)")
