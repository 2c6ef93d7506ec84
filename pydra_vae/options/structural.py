"""The command line of structural."""

from __future__ import annotations

import argparse
from pathlib import Path

import shtab

from pydra_vae.options.parser import (
    EXIT_CODES,
    Group,
    Number,
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

ANALYSES = ("explained", "regression", "joint", "longitudinal", "networks")
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
    ).complete = shtab.FILE  # fmt: skip
    parser.add_argument(
        "output", nargs="?", type=Path, metavar="OUTPUT", help="folder for the results"
    ).complete = shtab.DIRECTORY
    level(parser, "group: models are of all persons together, so there is no other level (default: group)")
    common(parser, version)
    _reading(parser)
    _volumes(parser)
    _model(parser)
    _search(parser)
    _analyses(parser)
    _explained(parser)
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
    bids_filter(group, "t1w")
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
    group.step(
        "prepare",
        "--interpolation",
        choices=("continuous", "linear", "nearest"),
        help="of resampling (default: continuous)",
    )
    group.add("--mask", type=Path, metavar="FILE",
              help="voxels to model (default: where the mean of the training images is above the threshold)"
              ).complete = shtab.FILE  # fmt: skip
    group.step("mask", "--mask-threshold", "threshold", type=from_zero, metavar="X",
               help="mean of the training images above which a voxel is modelled (default: 0.08)")  # fmt: skip
    group.add("--atlas", type=Path, metavar="FILE",
              help="dseg image in the images' space, with its .tsv beside it: regional volumes"
              ).complete = shtab.FILE  # fmt: skip
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
    group.step("regression", "--link", choices=("auto", "identity", "logit", "log"),
               help="of glm, polynomial and spline; auto: logit for two classes, else identity (default: auto)"
               )  # fmt: skip
    group.step("regression", "--folds", "n_folds", type=Number("a whole number from 2 on", int, 2), metavar="N",
               help="of persons (default: 5)")  # fmt: skip
    group.step("regression", "--inner-folds", type=Number("a whole number from 2 on", int, 2), metavar="N",
               help="of each fold's persons, for hyper-parameters (default: 4)")  # fmt: skip
    group.step("regression", "--permutations", "n_permutations", type=whole, metavar="N",
               help="of the target, for p; 0: none (default: 100)")  # fmt: skip
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
               help="of predicting each modality from another alone (default: 1.0)")  # fmt: skip
    group.step("joint", "--score-weight", type=from_zero, metavar="W",
               help="of the scores' likelihood, the image's being 1 (default: 1.0)")  # fmt: skip
    group.step("joint", "--second-weight", type=from_zero, metavar="W",
               help="of the second modality's (default: 1.0)")  # fmt: skip
    group.step("joint", "--second-dim", type=positive, metavar="N",
               help="principal components that describe the second modality (default: 8)")  # fmt: skip
    group.step("joint", "--joint-dim", "latent_dim", type=positive, metavar="K",
               help="dimensions of the shared latent; as many as all modalities' together without it")  # fmt: skip
    group.step("joint", "--joint-steps", "max_steps", type=positive, metavar="N",
               help="optimiser steps of the shared latent, and of each score's head; 400 without it")  # fmt: skip
    group.step("longitudinal", "--time", choices=("age", "time"),
               help="column that is time: age, or years since the first visit; age where it is known")  # fmt: skip
    group.step("longitudinal", "--visit-covariates", "covariates_used", nargs="+", metavar="COLUMN",
               help="further fixed effects of the mixed model of repeated visits (default: none)")  # fmt: skip
    group.step("longitudinal", "--ages", "n_ages", type=positive, metavar="N",
               help="images of each progression (default: 7)")  # fmt: skip


def _explained(parser: Parser) -> None:
    group = Group(parser, "latents explained")
    group.add("--write-reconstructions", dest="reconstructions", action="store_true",
              help="deliver every image's reconstruction too, as volumes of one 4-D image")  # fmt: skip
    group.step("traverse", "--traversal-steps", "n_steps", type=Number("a whole number from 2 on", int, 2), metavar="N",
               help="images along each latent (default: 7)")  # fmt: skip
    group.step("traverse", "--traversal-span", "span", type=above_zero, metavar="SD",
               help="how far to either side, in standard deviations of the latent (default: 2.0)")  # fmt: skip
    group.step("draw", "--density", choices=("gmm", "gaussian"),
               help="fitted to the latents to draw the images shown: a mixture of Gaussians, or one; statistics are of"
               " both (default: gmm)")  # fmt: skip
    group.step("draw", "--draws", "n", type=Number("a whole number from 2 on", int, 2), metavar="N",
               help="images from each density (default: 200)")  # fmt: skip
    group.step("draw", "--drawn", "n_examples", type=positive, metavar="N",
               help="of them that are shown and written (default: 4)")  # fmt: skip
    group.step("interpolate", "--pairs", "n_pairs", type=positive, metavar="N",
               help="pairs of test persons between whom images are decoded (default: 2)")  # fmt: skip
    group.step("embed", "--embeddings", "methods", nargs="+", choices=("MDS", "LLE", "Isomap"), metavar="NAME",
               help="MDS, LLE, Isomap, beside PCA and the VAE (default: all)")  # fmt: skip
    group.step("embed", "--neighbors", "n_neighbors", type=positive, metavar="N",
               help="of LLE, Isomap and the scores of all maps (default: 10)")  # fmt: skip


def _networks(parser: Parser) -> None:
    group = Group(parser, "functional networks (--analyses networks)")
    group.add("--bold", type=Path, metavar="DIR", help="fMRIPrep derivatives with BOLD runs (default: DATA)"
              ).complete = shtab.DIRECTORY  # fmt: skip
    group.add("--task-id", nargs="+", metavar="LABEL", help="tasks (default: all)")
    group.add("--networks-atlas", type=Path, metavar="FILE",
              help="dseg in the BOLD's space to compare networks with").complete = shtab.FILE  # fmt: skip
    group.add("--networks-dim", type=positive, metavar="K", help="latents of the frames' model (default: 8)")
    group.add("--networks-steps", type=positive, metavar="N",
              help="optimiser steps of it (default: 30 epochs, at most 500 steps)")  # fmt: skip
    group.step("extract", "--bold-confounds", "strategy",
               choices=("none", "simple", "scrubbing", "compcor", "ica_aroma"),
               help="nilearn's fMRIPrep denoising strategy (default: none)")  # fmt: skip
    group.step("extract", "--dummy-scans", type=frames, metavar="N", help="frames to drop at the start (default: 0)")
    group.step("extract", "--high-pass", type=from_zero, metavar="HZ", help="high-pass filter (default: no)")
    group.step("extract", "--bold-smoothing-fwhm", "smoothing_fwhm", type=from_zero, metavar="MM",
               help="smooth the BOLD (default: no)")  # fmt: skip
