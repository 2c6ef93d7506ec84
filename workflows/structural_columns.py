"""What the columns of structural's delivered tables hold, for their sidecars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydra_vae.bids import columns as bids_columns
from pydra_vae.workflows import structural_columns_latents
from pydra_vae.workflows.structural_columns_latents import IMAGE, LATENT, ROW

_PCA = "PCA of as many components as the model has latents"
_R2 = "1 - squared error over squares about the mean of the training images, inside the mask"
FITS = {
    "model": "VAE",
    "setting": "What tells the fit apart",
    "network": "conv-dense: convolutional encoder, dense decoder inside the mask; conv or dense: both of one kind",
    "k": "Number of latents",
    "width": "Channels of the first convolution",
    "reconstruction": "Loss of the reconstruction: mse, dssim (1 - SSIM), or both",
    "divergence": "What draws latents to the prior: kl, mmd or none",
    "beta": "Weight of the KL in nats; of divergence kl only",
    "mmd_weight": "Weight λ of the MMD; of divergence mmd only",
    "learning_rate": "Peak of the schedule",
    "batch_size": "Images a step",
    "seed": "Of weights and batches",
    "r2_train": f"{_R2}; training images",
    "r2_validation": "The same of validation images",
    "r2_test": "The same of test images",
    "r2_validation_se": "Standard error of r2_validation, jackknife over persons",
    "r2_test_se": "Standard error of r2_test, jackknife over persons",
    "gap": "r2_train - r2_test",
    "mse_test": "Mean squared error of test images, in squared units of the images",
    "ssim_test": "Structural similarity of at most 100 test images with their reconstructions, 11-voxel window",
    "pca_r2_test": f"r2_test of {_PCA}",
    "pca2_r2_test": "r2_test of PCA of twice as many",
    "pca_r2_train": f"r2_train of {_PCA}",
    "pca_r2_validation": f"r2_validation of {_PCA}",
    "pca_ssim_test": f"ssim_test of {_PCA}",
    "pca2_ssim_test": "ssim_test of PCA of twice as many",
    "mean_ssim_test": "ssim_test of the mean of the training images",
    "kl": "KL of the posteriors to the prior, in nats an image; training and validation images, as the next ones",
    "mi": "Its part that is mutual information of images and latents, in nats; at most mi_ceiling",
    "tc": "Its part that is total correlation of the latents, in nats",
    "dimension_wise": "Its part that is the KL of each latent's marginal to the prior, summed, in nats",
    "mi_ceiling": "Log of the number of images: what is above goes into tc",
    "mi_gaussian": "mi of a Gaussian aggregate of the posteriors, which has no such ceiling",
    "tc_gaussian": "tc of the same",
    "dimension_wise_gaussian": "dimension_wise of the same",
    "kl_test": "KL of test images, in nats an image",
    "mmd": "Maximum mean discrepancy of all latents to the prior",
    "active_units": "Latents whose posterior mean varies over images (variance above .01)",
    "informative_units": "Latents with more than .1 nat of KL; n/a without a KL in the loss",
    "variance_ratio": "Variance of reconstructions over that of images, over test images",
    "swap_ratio": "Error against another person's reconstruction over that against the own one; 1: images matter not",
    "collapsed": "Whether the latents say nothing, or the decoder ignores them",
    "over_regularised": "The milder verdict: much less gets through than the data hold",
    "overfitted": "Whether unseen images are reconstructed worse than PCA's lead one to expect",
    "parameters": "Weights of the networks",
    "best_step": "Optimiser step whose weights were kept",
    "steps": "Optimiser steps made",
    "seconds": "Wall time of the training",
}
TRIALS = {
    "trial": "Number of the trial, from 1",
    **FITS,
    "healthy": "Neither collapsed nor over-regularised",
    "within": "Healthy, and its r2_validation within one standard error of the best",
    "pareto": "No healthy trial has a higher r2_validation at no higher KL",
    "best": "Highest r2_validation of the healthy ones",
    "chosen": "Smallest KL of those within",
}
_FEATURES = {
    "target": "Covariate that is predicted",
    "features": "VAE: the latents; PCA-k: scores on k principal components; none: mean-only",
    "model": "mean, glm, svr, polynomial (squares and products) or spline (additive)",
}
_SCORED = {
    "r2": "1 - squared error over that of the mean-only model (with the confounds); of classes of the Brier score",
    "r2_se": "Its standard error over persons",
    "r": "Correlation of predicted and observed, of what the confounds leave",
    "mae": "Mean absolute error, in units of the target",
    "rmse": "Root mean squared error, in units of the target",
    "auc": "Of two classes: area under the curve, mean over folds",
    "balanced_accuracy": "Of two classes: mean of both classes' accuracies",
    "baseline_mae": "mae of the mean-only model",
    "gap_r_with_age": "Of age: correlation of predicted minus observed age with age",
    "gap_r_with_age_corrected": "The same after the bias correction",
    "mae_corrected": "mae after the correction, which knows the age: no accuracy, see the mean-only row",
    "r2_corrected": "r2 after the correction, which knows the age",
}
REGRESSION = {
    **_FEATURES,
    "link": "Of glm, polynomial and spline: identity, logit or log",
    "confounds": "Covariates that were removed inside folds",
    "metric": "What p and chance are of: r2 or auc",
    "n": "Persons of training and validation, each predicted by a fit on the other folds",
    **_SCORED,
    "p_permutation": "(1 + permutations of the target that score no less) / (1 + permutations)",
    "chance": "Mean score of permuted targets",
    "chance_95": "Their 95th percentile",
    "n_permutations": "Permutations of the target",
    "n_test": "Test persons, predicted by one fit on all others",
    **{f"{name}_test": f"{name} of test persons" for name in _SCORED if name != "r2_se"},
    "r2_se_test": "r2_se of test persons",
    "p_test": "p_permutation of test persons",
    "chance_test": "chance of test persons",
}
PREDICTIONS = {
    **IMAGE,
    **_FEATURES,
    "fold": "Fold in which the person was predicted, from 0; test for test persons",
    "observed": "Of the target; of classes 0 or 1",
    "predicted": "The same predicted; of classes the probability of 1",
    "baseline": "Predicted by the mean-only model, with the confounds",
    "corrected": "Of age: predicted, after the bias correction",
    "gap": "Of age: predicted - observed, years (brain age gap)",
    "gap_corrected": "Of age: corrected - observed, years",
}
_COMPONENT = {"model": "Kind of latents", "component": "Number of the component, from 1"}
_NETWORK = {
    "label": "Whose runs",
    **_COMPONENT,
    "network": "Known network (--networks-atlas), or the task's own map",
    "r": "Correlation of the two maps over voxels",
    "dice": "Overlap of the network with as many of the component's highest voxels",
}
COLUMNS: dict[str, dict[str, str]] = {
    **structural_columns_latents.COLUMNS,
    "claims": {
        "claim": "Key of the claim; short: what holds, in one sentence",
        "paper_says": "What the tutorial says",
        "paper": "Its figure or section",
        "ours": "Figure of these data",
        "control": "The control's",
        "verdict": "as in the paper; its control does as well; otherwise; open",
        "finding": "What was found, in words",
        "rule": "How the verdict follows",
    },
    "fits": FITS,
    "trials": TRIALS,
    "split": IMAGE,
    "covariates": {
        **{name: IMAGE[name] for name in ("label", "person")},
        "session": "Label of the visit",
        "time": "Years since the person's first visit, or the number of the visit",
    },
    "regions": {"label": IMAGE["label"]},
    "latents": IMAGE,
    "components": IMAGE,
    "regression": REGRESSION,
    "predictions": PREDICTIONS,
    "importance": {
        **_FEATURES,
        "latent": LATENT,
        "importance": "r2, or auc, lost when the latent is shuffled among the predicted persons; mean over folds",
        "sd": "Its standard deviation over folds and shuffles",
        "coefficient": "Of glm, for one standard deviation of the latent; mean over folds",
        "coefficient_sd": "Its standard deviation over folds",
    },
    "networks": {
        **_NETWORK,
        "component": "Number of the component, from 1, of largest |r|",
        "p_best": "Against the largest |r| of random maps of the same smoothness; n/a for maps of the same recording",
        "r_all": "Multiple correlation of the network with all components",
        "r_all_null": "Its mean over random maps",
        "p_all": "Of r_all, against random maps",
        "component_one_to_one": "Component where each serves one network only",
        "r_one_to_one": "Its correlation",
    },
    "networkoverlap": {
        **_NETWORK,
        "rank": "Of the network for this component, by |r|",
        "r_patches": "Correlation over patches of equal size",
        "p": "Of r_patches, against maps of the same smoothness",
    },
    "networktask": {
        "label": "Whose runs",
        **_COMPONENT,
        "condition": "As the events name it; any condition: their sum",
        "r": "Correlation of the component's course with the expected response, over all frames",
        "p_shift": "Against circular shifts of the response within runs",
        "p_any": "The same against the best of all components under each shift",
        "chance": "Mean |r| of that best one",
        "n_frames": "Frames",
        "n_shifts": "Circular shifts",
    },
    "networkfits": {"label": "Whose runs", **FITS},
    "courses": {
        **_COMPONENT,
        "run": "Number of the run, from 1",
        "frame": "Number of the frame in its run, from 0; censored ones are left out",
        "value": "Mean 0 and variance 1 over all frames",
    },
    "examples": {
        "row": ROW,
        "label": IMAGE["label"],
        "kind": "input or reconstruction",
        "r2": "Of this image, against the training images' mean",
        "ssim": "Structural similarity of the two",
    },
    "history": {
        "step": "Optimiser step, from 0",
        "epoch": "Passes over the training images",
        "lr": "Learning rate",
        "val_loss": "Loss of validation images, by which the best weights are chosen",
        "train_r2": f"{_R2}; training images",
        "val_r2": "The same of validation images",
        "val_log_likelihood": "log p(x | z) of validation images, nats an image",
        "val_ssim": "Structural similarity of validation images with their reconstructions",
        "mmd_ratio": "λ MMD / |log p(x | z)|, of the tutorial's rule for λ",
        "mmd_weight_paper": "λ at which that would be 1",
        "best": "1 where validation was better than ever before",
    },
    "jointhistory": {
        "part": "fusion: the shared latent; head SCORE: that score's decoder",
        "step": "Optimiser step, from 0",
        "epoch": "Passes over the training images",
        "lr": "Learning rate",
        "best": "1 where validation was better than ever before",
    },
}
_TERMS = {
    r"loss_.+": "Term of the training loss, nats an image, mean since the row before",
    r"val_.+": "The same of validation images; mse in squared units",
    r"weight_.+": "Weight of the term at that step",
}
# Columns whose names the data or the size of the model give, by what all of the name must match.
PATTERNS: dict[str, dict[str, str]] = {
    "covariates": {r".+": "From the tables of persons and visits"},
    "regions": {r".+": "Region of the atlas: tissue in ml, or the mean of intensities"},
    "latents": {r"z\d+": "Posterior mean of that latent", r"sd\d+": "Posterior standard deviation of that latent"},
    "components": {r"component\d+": "Score on that principal component, in units of the images"},
    "embeddings": {r"knn_r2_.+": "R² of the covariate predicted by the mean of the nearest training persons"},
    "history": _TERMS,
    "jointhistory": _TERMS,
}


def described(
    name: str, columns: Iterable[str], own: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, dict[str, str]]:
    """Columns of one delivered table, as BIDS describes them.

    Parameters
    ----------
    name : str
        Of `COLUMNS`.
    columns : iterable of str
        Those that the table has.
    own : mapping, optional
        What the data's own sidecars say of columns that the data named.

    Examples
    --------
    >>> described("latents", ["part", "z3"])["z3"]
    {'Description': 'Posterior mean of that latent'}
    """
    return bids_columns.described(columns, COLUMNS.get(name, {}), PATTERNS.get(name), own)
