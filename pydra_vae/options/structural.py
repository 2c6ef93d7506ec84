"""The command line of structural."""

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
    from_zero,
    level,
    positive,
    running,
    whole,
)
from pydra_vae.options.structural_analyses import analyses, entity, explained, networks

COMPARED = ("losses", "networks", "collapse", "none")
SEARCHED = ("latent-dim", "beta", "mmd-weight", "learning-rate", "batch-size", "width", "epochs")


def structural_parser(prog: str | None = None, version: str = "") -> Parser:
    """The command line of ``structural``."""
    parser = Parser(
        prog=prog,
        usage=(
            "%(prog)s DATA OUTPUT [group] [options]\n"
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
    )  # fmt: skip
    parser.add_argument(
        "output", nargs="?", type=Path, metavar="OUTPUT", help="folder for the results"
    ).complete = shtab.DIRECTORY
    level(parser, "group: models are of all persons together, so there is no other level (default: group)")
    common(parser, version)
    _reading(parser)
    _volumes(parser)
    _model(parser)
    _search(parser)
    analyses(parser)
    explained(parser)
    networks(parser)
    running(parser)
    demo = Group(parser, "demo (without DATA)")
    demo.add("--size", choices=("tiny", "default"), default="default",
             help="tiny: few subjects on a coarse grid, for continuous integration (default: default)")  # fmt: skip
    return parser


def _reading(parser: Parser) -> None:
    group = Group(parser, "which images")
    many = {"nargs": "+", "metavar": "LABEL"}
    group.add("--kind", default="auto", metavar="KIND",
              help="gm, wm, csf: probability maps; t1w, t2w: preprocessed images; mwp1, smwp1, …: CAT12's and SPM's"
              " (cat12: mwp1); auto: grey matter, else T1w (default: auto)")  # fmt: skip
    group.add("--filter", type=entity, nargs="+", metavar="ENTITY=VALUE",
              help="entities that files must have; a suffix in place of --kind: suffix=boldmap stat=alff")  # fmt: skip
    bids_filter(group, "t1w")
    group.add("--participant-label", type=bare_label, **many, help="subjects, with or without sub-")
    group.add("--session-label", type=bare_label, **many, help="sessions, with or without ses-")
    group.add("--space", help="template space, where there are several")
    group.add("--res", metavar="LABEL", help="resolution entity, where several exist")
    group.add("--covariates", type=Path, metavar="FILE",
              help="table with participant_id and covariates (default: participants.tsv and sessions.tsv beside the"
              " data, or the columns of DATA where it is a table)")  # fmt: skip
    group.add("--n-subjects", type=positive, metavar="N", help="of oasis only (default: all)")


def _volumes(parser: Parser) -> None:
    group = Group(parser, "volumes")
    group.add(
        "--resolution",
        type=above_zero,
        metavar="MM",
        help="resample to voxels of this size (default: the images' own grid, which must be the same)",
    )
    group.add("--grid", type=Path, metavar="FILE", help="resample to this image's grid; with --resolution, to its box")
    group.step("prepare", "--smoothing-fwhm", type=from_zero, metavar="MM", help="smooth (default: no)")
    group.step("prepare", "--normalization", choices=("none", "zscore", "minmax", "mean"),
               help="of each image, inside the brain; wanted for T1w images (default: none)")  # fmt: skip
    group.step(
        "prepare",
        "--interpolation",
        choices=("continuous", "linear", "nearest"),
        help="of resampling (default: continuous)",
    )
    group.add("--mask", type=Path, metavar="FILE",
              help="voxels to model (default: where the mean of the training images is above the threshold)"
              )  # fmt: skip
    group.step("mask", "--mask-threshold", "threshold", type=from_zero, metavar="X",
               help="mean of the training images above which a voxel is modelled (default: 0.08)")  # fmt: skip
    group.add("--atlas", type=Path, metavar="FILE",
              help="dseg image in the images' space, with its .tsv beside it: regional volumes")  # fmt: skip
    group.add("--split-seed", type=whole, metavar="N", help="of the split of subjects 70/10/20 (default: 42)")


def _model(parser: Parser) -> None:
    group = Group(parser, "model and training")
    group.step("fit", "--network", choices=("conv-dense", "conv", "dense"),
               help="convolutional encoder with a dense decoder inside the mask, or both of one kind"
               " (default: conv-dense)")  # fmt: skip
    group.step("fit", "--latent-dim", type=positive, metavar="K", help="latents of an image (default: 12)")
    group.step("fit", "--width", type=positive, metavar="N", 
               help="channels of the first layer; dense layers have 32 times as many units (default: 8)")  # fmt: skip
    group.step("fit", "--reconstruction", choices=("mse", "dssim", "mse+dssim"),
               help="mse: Gaussian likelihood; dssim: structural dissimilarity in its place; or both (default: mse)"
               )  # fmt: skip
    group.step("fit", "--dssim", choices=("full", "half"),
               help="1 - SSIM as the paper prints it, or half of it (default: full)")  # fmt: skip
    group.step("fit", "--ssim-window", type=positive, metavar="N", 
               help="of SSIM, in voxels along each axis; odd (default: 11)")  # fmt: skip
    group.step("fit", "--divergence", choices=("kl", "mmd", "none"),
               help="kl: each image's latents from the prior; mmd: all together from the prior (InfoVAE); none: an"
               " autoencoder (default: kl)")  # fmt: skip
    group.step("fit", "--beta", type=from_zero, metavar="B", 
               help="weight of the KL in nats; 1 is the evidence lower bound (default: 10.0)")  # fmt: skip
    group.step("fit", "--mmd-weight", type=from_zero, metavar="L",
               help="weight λ of the MMD, in the same nats (default: 2000.0)")  # fmt: skip
    group.step("fit", "--free-bits", type=from_zero, metavar="NATS",
               help="of each latent's KL that cost nothing (default: 0.0)")  # fmt: skip
    group.step("fit", "--mc-samples", "n_samples", type=positive, metavar="N",
               help="draws of the latents, each image and step (default: 1)")  # fmt: skip
    group.step("fit", "--annealing", choices=("none", "linear", "cyclical", "sigmoid"),
               help="how the weight of the divergence rises from 0 (default: none)")  # fmt: skip
    group.step("fit", "--annealing-steps", type=whole, metavar="N",
               help="of that rise; 0: two fifths of the training (default: 0)")  # fmt: skip
    group.step("fit", "--augmentation", choices=("none", "noise", "shift", "flip", "mix"),
               help="of training images: noise; shift by a voxel; flip left to right; mix two (default: none)"
               )  # fmt: skip
    group.step("fit", "--max-steps", type=positive, metavar="N",
               help="optimiser steps; 500 where no epochs are given (300 in the demo, 60 in the tiny one)")  # fmt: skip
    group.step(
        "fit",
        "--max-epochs",
        type=positive,
        metavar="N",
        help="passes over the training images; the smaller of both wins",
    )
    group.step("fit", "--batch-size", type=positive, metavar="N", help="images a step (default: 32)")
    group.step("fit", "--learning-rate", type=above_zero, metavar="LR", help="peak of the schedule (default: 0.004)")
    group.step("fit", "--patience", type=positive, metavar="EPOCHS",
               help="epochs without a better validation, after the annealing (default: none)")  # fmt: skip
    group.step("fit", "--precision", choices=("auto", "float32", "bfloat16"),
               help="auto: bfloat16 where the device computes with it natively (default: auto)")  # fmt: skip
    group.step("fit", "--threads", type=positive, metavar="N",
               help="CPU threads of a fit; part of the result (default: 1)")  # fmt: skip
    group.add("--seed", type=whole, metavar="N", help="of weights, batches, folds and draws (default: 0)")
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
