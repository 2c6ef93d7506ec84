"""The command line of finn."""

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
    share,
    whole,
)


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
    level(parser, "participant: fit and report each subject; group: compare those in OUTPUT, and report")
    common(parser, version)
    _reading(parser)
    _series(parser)
    _model(parser)
    _measures(parser)
    _analyses(parser)
    _group(parser)
    running(parser)
    demo = Group(parser, "demo (without DERIVATIVES)")
    demo.add("--size", choices=("tiny", "default"), default="default",
             help="tiny: under a minute, for continuous integration (default: default)")  # fmt: skip
    return parser


def _reading(parser: Parser) -> None:
    group = Group(parser, "which runs")
    many = {"nargs": "+", "metavar": "LABEL"}
    group.add("--participant-label", type=bare_label, **many, help="subjects, with or without sub-")
    group.add("--session-label", type=bare_label, **many, help="sessions, with or without ses-")
    group.add("--task-id", **many, help="tasks; several are joined in time in the order given")
    group.add("--run", type=whole, nargs="+", metavar="N", help="run numbers")
    group.add(
        "--space",
        help="output space (default: MNI152NLin2009cAsym, else the only one there is); fsLR, fsaverage5, …:"
        " series on the surface (dtseries.nii, or func.gii of both hemispheres)",
    )
    group.add("--res", metavar="LABEL", help="resolution entity, where several exist")
    group.add("--den", metavar="LABEL", help="density entity of surface series, where several exist")
    for name in ("echo", "rec", "acq", "part"):
        group.add(f"--{name}", metavar="LABEL", help=f"{name} entity, where several exist; none: files without it")
    group.add("--prefix", metavar="TEXT", help="text after the subject that is no entity (smooth6mm); none: without")
    bids_filter(group, "bold")
    group.add("--split-runs", action="store_true",
              help="each run on its own, with a model of its own, instead of all runs of a subject joined")  # fmt: skip


def _series(parser: Parser) -> None:
    group = Group(parser, "from volumes to series")
    group.add(
        "--atlas", metavar="NAME|FILE|none",
        help="voxels are those of this atlas, all labels > 0: a TemplateFlow atlas, a dseg.nii.gz with its"
        " .tsv beside it, or none for the runs' brain mask (default: Schaefer2018, 200 parcels,"
        " 17 networks; none with --mask). On the surface a dlabel.nii, label.gii or annot, or none for every"
        " grayordinate (default: Schaefer2018 where TemplateFlow's folder has it on that mesh, else none)",
    ).complete = shtab.FILE  # fmt: skip
    group.add("--mask", type=Path, metavar="FILE", help="voxels are those of this mask; with --atlas, those of both")
    group.step(
        "extract", "--confounds", "strategy", choices=("none", "simple", "scrubbing", "compcor", "ica_aroma"),
        help="nilearn's fMRIPrep denoising strategy (default: none)",
    )  # fmt: skip
    group.step("extract", "--fd-threshold", type=above_zero, metavar="MM",
               help="censor frames with a larger framewise displacement (default: none)")  # fmt: skip
    group.step("extract", "--std-dvars-threshold", type=above_zero, metavar="SD",
               help="censor frames with larger standardised DVARS (default: none)")  # fmt: skip
    group.step("extract", "--dummy-scans", type=frames, metavar="N",
               help="censor the first N frames beside the non-steady-state ones (default: 0)")  # fmt: skip
    group.step("extract", "--smoothing-fwhm", type=from_zero, metavar="MM", help="smooth (default: no)")
    group.step("extract", "--high-pass", type=from_zero, metavar="HZ", help="high-pass filter (default: no)")
    group.step(
        "normalize", "--normalize", "method", choices=("minmax", "minmax_timepoint", "global", "zscore"),
        help="minmax: each voxel to [0, 1]; minmax_timepoint: each frame, as scikit-learn's MinMaxScaler"
        " does to voxels × time (default: minmax)",
    )  # fmt: skip
    group.step("normalize", "--no-match-baselines", "match_baselines", action="store_false",
               help="keep the difference between the runs' voxel means")  # fmt: skip


def _model(parser: Parser) -> None:
    group = Group(parser, "model and training")
    group.add("--preset", choices=("paper",), help="paper: everything that the paper states")
    group.step("fit", "--network", choices=("lk", "paper", "dense"), help="(default: lk)")
    group.step("fit", "--latent-dim", type=positive, metavar="D", help="(default: 9)")
    group.step("fit", "--linear-skip", choices=("none", "pca"),
               help="pca: start from PCA of the same size (default: none)")  # fmt: skip
    group.step("fit", "--mixing", type=share, metavar="P",
               help="share of training voxels replaced by mixtures of two (default: 0)")  # fmt: skip
    group.step("fit", "--recipe", choices=("fast", "paper"),
               help="fast: one-cycle in steps; paper: constant rate, patience 100 (default: fast)")  # fmt: skip
    group.step("fit", "--max-steps", type=positive, metavar="N", help="(default: the recipe's)")
    group.step("fit", "--max-epochs", type=positive, metavar="N", help="the smaller of both wins")
    group.step("fit", "--batch-size", type=positive, metavar="N", help="voxels a step (280 in both recipes)")
    group.step("fit", "--learning-rate", type=above_zero, metavar="LR", help="(default: the recipe's)")
    group.step("fit", "--patience", type=positive, metavar="EPOCHS", help="(default: the recipe's)")
    group.step("fit", "--kl-weight", type=from_zero, metavar="W",
               help="weight of the KL term; 0: z is the encoder's mean (default: 0)")  # fmt: skip
    group.step("fit", "--beta", type=from_zero, metavar="B",
               help="the same weight as β of the evidence lower bound, in nats; instead of --kl-weight")  # fmt: skip
    group.step("fit", "--mmd-weight", type=from_zero, metavar="W",
               help="weight of InfoVAE's MMD between the latents of all voxels and the prior (default: 0)")  # fmt: skip
    group.step("fit", "--kl-annealing-steps", type=positive, metavar="N",
               help="warm-up of the KL weight (default: 0)")  # fmt: skip
    group.step("fit", "--annealing", choices=("linear", "cyclical", "sigmoid"), help="its shape (default: linear)")
    group.step("fit", "--sample-latent", action="store_true", help="sample z with KL weight 0 too")
    group.add("--split", choices=("random", "blocked", "parcel", "both"),
              help="voxels of training, validation and test (70/10/20): random is the paper's; both adds a"
              " second fit on 24 mm blocks for the table (default: random)")  # fmt: skip
    group.add("--seed", type=whole, metavar="N", help="of split and fit (default: 0, or the model's)")
    group.step("fit", "--threads", type=positive, metavar="N",
               help="CPU threads of a fit; part of the result (default: 1)")  # fmt: skip
    group.add("--warm-start", type=Path, metavar="FILE",
              help="a *_model.safetensors of equal size, such as another subject's, to start fits from")  # fmt: skip
    group.add("--model", type=Path, metavar="FILE",
              help="a *_model.safetensors: encode and reconstruct these runs with it; fit nothing")  # fmt: skip


def _measures(parser: Parser) -> None:
    group = Group(parser, "measures")
    group.step("tsnr", "--tsnr-units", "units", choices=("auto", "scanner", "scaled"),
               help="auto: scanner, or scaled where the data are residuals (default: auto)")  # fmt: skip
    group.add("--mean-image", type=Path, metavar="FILE",
              help="mean image to add to residual data, for tSNR in scanner units")  # fmt: skip
    group.step("error", "--emse-frame", type=frames, metavar="T",
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
    group = Group(parser, "analyses beside the fit")
    every = (*PARTICIPANT_ANALYSES, *GROUP_ANALYSES, "all", "none")
    group.add(
        "--analyses", nargs="+", choices=every, metavar="NAME",
        help="participant: latents (structure, maps, networks, geometry), outliers, samples; sweep (latent size),"
        " kl (KL and its relatives), reliability (split-half, surrogate). group: transfer, alignment, statistics;"
        " identification, shared (models of several subjects). all, none (default: those that need no further"
        " fits; alignment fits each subject once more, for its floor)",
    )  # fmt: skip
    group.add("--sweep-sizes", type=positive, nargs="+", metavar="D", help="latent sizes (default: 2 to 16)")
    group.add("--sweep-seeds", type=positive, metavar="N", help="fits of each size (default: 2)")
    group.add("--betas", type=above_zero, nargs="+", metavar="B", help="β of the kl analysis (default: 0.1 1 4)")
    group.add("--mmd-weights", type=above_zero, nargs="+", metavar="W",
              help="weights of the MMD in the kl analysis (default: 0.01 0.1)")  # fmt: skip
    group.step("views", "--tsne", action="store_true", help="t-SNE of the latent space too")
    group.step("views", "--umap", action="store_true", help="UMAP of the latent space too (needs the extra umap)")
    group.step("gradients", "--gradient-level", "level", choices=("auto", "voxel", "seed", "parcel"),
               help="connectome of the diffusion embedding: voxel by voxel up to 10,000 voxels, else voxel by parcel"
               " (seed), or parcel by parcel (default: auto)")  # fmt: skip
    group.step("gradients", "--gradient-affinity", "affinity", choices=("cosine", "normalized_angle"),
               help="(default: cosine)")  # fmt: skip
    group.step("permutations", "--permutations", "n_permutations", type=positive, metavar="N",
               help="of every permutation test; of those over persons 10,000 unless given (default: 1000)")  # fmt: skip
    group.add("--events-dir", type=Path, metavar="DIR",
              help="BIDS folder of the raw data, for *_events.tsv that do not lie among the derivatives"
              ).complete = shtab.DIRECTORY  # fmt: skip


def _group(parser: Parser) -> None:
    group = Group(parser, "group level")
    group.step("transfer", "--transfer-voxels", "n_voxels", type=positive, metavar="N",
               help="random voxels a pair of subjects, the paper's number (default: 2000)")  # fmt: skip
    group.add("--shared-training-labels", type=bare_label, nargs="+", metavar="LABEL",
              help="subjects on which the shared models are trained; the others join (default: all)")  # fmt: skip
    group.add("--shared-kinds", nargs="+", choices=("shared_decoder", "subject_decoders", "pooled"),
              metavar="KIND", help="shared_decoder, subject_decoders, pooled (default: all three)")  # fmt: skip
    group.step("shared", "--shared-steps", "max_steps", type=positive, metavar="N",
               help="steps of a shared model")  # fmt: skip
    group.add("--participants", type=Path, metavar="FILE",
              help="participants.tsv (default: that of DERIVATIVES)")  # fmt: skip
    group.add("--score", metavar="COLUMN", help="column of participants.tsv to hold against latent distances")
