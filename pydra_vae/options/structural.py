"""The command line of structural."""

from __future__ import annotations

import argparse
from pathlib import Path

import shtab

from pydra_vae.options.parser import (
    EXIT_CODES,
    Group,
    Parser,
    above_zero,
    bare_label,
    common,
    frames,
    from_zero,
    positive,
    running,
    whole,
)

ANALYSES = ("explained", "regression", "joint", "longitudinal", "networks")
COMPARED = ("losses", "networks", "collapse", "none")
SEARCHED = ("latent-dim", "beta", "mmd-weight", "learning-rate", "batch-size", "width", "epochs")


def structural_parser(prog: str | None = None, version: str = "") -> Parser:
    """The command line of ``structural``."""
    parser = Parser(
        prog=prog,
        usage=(
            "%(prog)s DATA OUTPUT [options]\n"
            "       %(prog)s [--size tiny]    (the demo, on simulated data)\n"
            "       %(prog)s --help           (all options)"
        ),
        description=(
            "VAEs of brain volumes: one latent vector an image, and what it means.\n"
            "Reads anatomical derivatives (sMRIPrep, fMRIPrep, CAT12), or a table of images, with participants.tsv;\n"
            "writes models, latents, their relation to covariates and regions, predictions with their baselines,\n"
            "and a report.\n\n"
            "Without DATA: the embedded demo on simulated data, in ./structural-demo."
        ),
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "data", nargs="?", type=Path, metavar="DATA",
        help="folder of derivatives, a TSV with a column path (and participant_id, session_id, covariates), or"
        " oasis: nilearn's OASIS grey matter maps, downloaded",
    ).complete = shtab.FILE  # fmt: skip
    parser.add_argument(
        "output", nargs="?", type=Path, metavar="OUTPUT", help="folder for the results"
    ).complete = shtab.DIRECTORY
    common(parser, version)
    _reading(parser)
    _volumes(parser)
    _model(parser)
    _search(parser)
    _analyses(parser)
    _networks(parser)
    running(parser)
    demo = Group(parser, "demo (without DATA)")
    demo.add("--size", choices=("tiny", "default"), default="default",
             help="tiny: few subjects on a coarse grid, for continuous integration (default: default)")  # fmt: skip
    return parser


def entity(text: str) -> tuple[str, str]:
    """``suffix=boldmap`` as a pair."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not ENTITY=VALUE, such as suffix=boldmap")
    return name, value


def _reading(parser: Parser) -> None:
    group = Group(parser, "which images")
    many = {"nargs": "+", "metavar": "LABEL"}
    group.add("--kind", default="auto", metavar="KIND",
              help="gm, wm, csf: probability maps; t1w, t2w: preprocessed images; mwp1, smwp1, …: CAT12's and SPM's"
              " (cat12: mwp1); auto: grey matter, else T1w (default: auto)")  # fmt: skip
    group.add("--filter", type=entity, nargs="+", metavar="ENTITY=VALUE",
              help="entities that files must have; a suffix in place of --kind: suffix=boldmap stat=alff")  # fmt: skip
    group.add("--participant-label", type=bare_label, **many, help="subjects, with or without sub-")
    group.add("--session-label", type=bare_label, **many, help="sessions, with or without ses-")
    group.add("--space", help="template space, where there are several")
    group.add("--res", metavar="LABEL", help="resolution entity, where several exist")
    group.add("--covariates", type=Path, metavar="FILE",
              help="table with participant_id and covariates (default: participants.tsv and sessions.tsv beside the"
              " data, or the columns of DATA where it is a table)").complete = shtab.FILE  # fmt: skip
    group.add("--n-subjects", type=positive, metavar="N", help="of oasis only (default: all)")


def _volumes(parser: Parser) -> None:
    group = Group(parser, "volumes")
    group.add(
        "--resolution",
        type=above_zero,
        metavar="MM",
        help="resample to voxels of this size (default: the images' own grid, which must be the same)",
    )
    group.add(
        "--grid", type=Path, metavar="FILE", help="resample to this image's grid; with --resolution, to its box"
    ).complete = shtab.FILE
    group.step("prepare", "--smoothing-fwhm", type=from_zero, metavar="MM", help="smooth (default: no)")
    group.step("prepare", "--normalization", choices=("none", "zscore", "minmax", "mean"),
               help="of each image, inside the brain; wanted for T1w images (default: none)")  # fmt: skip
    group.step("prepare", "--interpolation", choices=("continuous", "linear", "nearest"), help="(default: continuous)")
    group.add("--mask", type=Path, metavar="FILE",
              help="voxels to model (default: where the mean of the training images is above the threshold)"
              ).complete = shtab.FILE  # fmt: skip
    group.step("mask", "--mask-threshold", "threshold", type=from_zero, metavar="X", help="(default: 0.08)")
    group.add("--atlas", type=Path, metavar="FILE",
              help="dseg image in the images' space, with its .tsv beside it: regional volumes"
              ).complete = shtab.FILE  # fmt: skip
    group.add("--split-seed", type=whole, metavar="N", help="of the split of subjects 70/10/20 (default: 42)")


def _model(parser: Parser) -> None:
    group = Group(parser, "model and training")
    group.step("fit", "--network", choices=("conv-dense", "conv", "dense"),
               help="convolutional encoder with a dense decoder inside the mask, or both of one kind"
               " (default: conv-dense)")  # fmt: skip
    group.step("fit", "--latent-dim", type=positive, metavar="K", help="(default: 12)")
    group.step("fit", "--width", type=positive, metavar="N", help="channels of the first layer (default: 8)")
    group.step("fit", "--reconstruction", choices=("mse", "dssim", "mse+dssim"), help="(default: mse)")
    group.step("fit", "--dssim", choices=("full", "half"),
               help="1 - SSIM as the paper prints it, or half of it (default: full)")  # fmt: skip
    group.step("fit", "--ssim-window", type=positive, metavar="N", help="voxels along each axis (default: 11)")
    group.step("fit", "--divergence", choices=("kl", "mmd", "none"), help="(default: kl)")
    group.step("fit", "--beta", type=from_zero, metavar="B", help="weight of the KL, in nats (default: 10.0)")
    group.step("fit", "--mmd-weight", type=from_zero, metavar="L", help="λ of the MMD (default: 2000.0)")
    group.step("fit", "--free-bits", type=from_zero, metavar="NATS", help="of each latent (default: 0.0)")
    group.step("fit", "--mc-samples", "n_samples", type=positive, metavar="N",
               help="draws of z a step (default: 1)")  # fmt: skip
    group.step("fit", "--annealing", choices=("none", "linear", "cyclical", "sigmoid"), help="(default: none)")
    group.step("fit", "--annealing-steps", type=whole, metavar="N", help="of the whole annealing (default: 0)")
    group.step("fit", "--augmentation", choices=("none", "noise", "shift", "flip", "mix"), help="(default: none)")
    group.step("fit", "--max-steps", type=positive, metavar="N", help="(default: the recipe's)")
    group.step("fit", "--max-epochs", type=positive, metavar="N", help="the smaller of both wins")
    group.step("fit", "--batch-size", type=positive, metavar="N", help="images a step (default: 32)")
    group.step("fit", "--learning-rate", type=above_zero, metavar="LR", help="(default: 0.002)")
    group.step("fit", "--patience", type=positive, metavar="EPOCHS",
               help="epochs without a better validation, after the annealing (default: none)")  # fmt: skip
    group.step("fit", "--precision", choices=("auto", "float32", "bfloat16"), help="(default: auto)")
    group.step("fit", "--threads", type=positive, metavar="N",
               help="CPU threads of a fit; part of the result (default: 1)")  # fmt: skip
    group.add("--seed", type=whole, metavar="N", help="of weights and batches (default: 0)")
    group.add("--compare", nargs="+", choices=COMPARED, metavar="WHAT",
              help="further fits beside the main one: losses (β 1, MMD, DSSIM, MSE + DSSIM), networks (conv, dense),"
              " collapse (a KL weight far too high, on purpose), or none (default: losses)")  # fmt: skip


def _search(parser: Parser) -> None:
    group = Group(parser, "search")
    group.add(
        "--search",
        choices=("grid", "optuna"),
        help="fit further models and choose the best by its rule: every point of a grid, or so many trials",
    )
    group.add("--search-over", nargs="+", choices=SEARCHED, metavar="NAME",
              help=f"what varies: {', '.join(SEARCHED)} (default: latent-dim beta)")  # fmt: skip
    group.add("--trials", type=positive, metavar="N", help="of optuna; more go on from those there are (default: 20)")
    group.add("--use-best", action="store_true", help="analyse the model that the search chooses")


def _analyses(parser: Parser) -> None:
    group = Group(parser, "analyses")
    group.add("--analyses", nargs="+", choices=(*ANALYSES, "all", "none"), metavar="NAME",
              help=f"{', '.join(ANALYSES)} (default: all that the data allow, but networks)")  # fmt: skip
    group.add(
        "--targets",
        nargs="+",
        metavar="COLUMN",
        help="covariates to predict from the latents (default: age and sex, where they are)",
    )
    group.add(
        "--confounds",
        nargs="+",
        metavar="COLUMN",
        help="covariates removed inside the folds, never the target itself (default: none)",
    )
    group.step("regression", "--regression-models", "models", nargs="+",
               choices=("mean", "glm", "svr", "polynomial", "spline"), metavar="NAME",
               help="mean, glm, svr, polynomial, spline (default: all)")  # fmt: skip
    group.step("regression", "--link", choices=("auto", "identity", "logit", "log"), help="of the GLM (default: auto)")
    group.step("regression", "--folds", "n_folds", type=positive, metavar="N", help="(default: 5)")
    group.step("regression", "--permutations", "n_permutations", type=positive, metavar="N", help="(default: 100)")
    group.add(
        "--scores",
        nargs="+",
        metavar="COLUMN",
        help="clinical scores of the joint model (default: none, so no joint model of scores)",
    )
    group.add(
        "--second",
        type=entity,
        nargs="+",
        metavar="ENTITY=VALUE",
        help="a second modality to fuse, one map a subject: suffix=boldmap stat=alff (default: none)",
    )
    group.add("--second-data", type=Path, metavar="DIR", help="where it lies (default: DATA)"
              ).complete = shtab.DIRECTORY  # fmt: skip
    group.step("joint", "--fusion", choices=("poe", "mean"), help="of the modalities' posteriors (default: poe)")
    group.step("joint", "--stages", choices=("two", "joint"),
               help="two: on the frozen image model; joint: all at once (default: two)")  # fmt: skip
    group.step("joint", "--cross-weight", type=from_zero, metavar="W",
               help="of the cross-modality loss (default: 1.0)")  # fmt: skip


def _networks(parser: Parser) -> None:
    group = Group(parser, "functional networks (--analyses networks)")
    group.add("--bold", type=Path, metavar="DIR", help="fMRIPrep derivatives with BOLD runs (default: DATA)"
              ).complete = shtab.DIRECTORY  # fmt: skip
    group.add("--task-id", nargs="+", metavar="LABEL", help="tasks (default: all)")
    group.add("--networks-atlas", type=Path, metavar="FILE",
              help="dseg in the BOLD's space to compare networks with").complete = shtab.FILE  # fmt: skip
    group.add("--networks-dim", type=positive, metavar="K", help="latents of the frames' model (default: 8)")
    group.add("--networks-steps", type=positive, metavar="N", help="optimiser steps of it (default: 500)")
    group.step("extract", "--bold-confounds", "strategy",
               choices=("none", "simple", "scrubbing", "compcor", "ica_aroma"),
               help="nilearn's fMRIPrep denoising strategy (default: none)")  # fmt: skip
    group.step("extract", "--dummy-scans", type=frames, metavar="N", help="frames to drop at the start (default: 0)")
    group.step("extract", "--high-pass", type=from_zero, metavar="HZ", help="high-pass filter (default: no)")
    group.step("extract", "--bold-smoothing-fwhm", "smoothing_fwhm", type=from_zero, metavar="MM",
               help="smooth the BOLD (default: no)")  # fmt: skip
