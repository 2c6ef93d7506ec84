"""The options of structural's analyses."""

from __future__ import annotations

import argparse
from pathlib import Path

import shtab

from pydra_vae.options.parser import (
    Group,
    Number,
    Parser,
    above_zero,
    frames,
    from_zero,
    positive,
    whole,
)

ANALYSES = ("explained", "regression", "joint", "longitudinal", "networks")


def entity(text: str) -> tuple[str, str]:
    """``suffix=boldmap`` as a pair."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not ENTITY=VALUE, such as suffix=boldmap")
    return name, value


def analyses(parser: Parser) -> None:
    """Which analyses, and the options of those over persons."""
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


def explained(parser: Parser) -> None:
    """Options of what the latents mean."""
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


def networks(parser: Parser) -> None:
    """Options of functional networks."""
    group = Group(parser, "functional networks (--analyses networks)")
    group.add("--bold", type=Path, metavar="DIR", help="fMRIPrep derivatives with BOLD runs (default: DATA)"
              ).complete = shtab.DIRECTORY  # fmt: skip
    group.add("--task-id", nargs="+", metavar="LABEL", help="tasks (default: all)")
    group.add("--networks-atlas", type=Path, metavar="FILE",
              help="dseg in the BOLD's space to compare networks with")  # fmt: skip
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
