"""What the columns of the delivered tables hold, for their sidecars."""

from __future__ import annotations

SCORES = {
    "setting": "What was fitted, where that is not told by the other columns",
    "mse_val": "Mean squared error on validation voxels, scaled units",
    "mse_test": "The same on test voxels",
    "r2": "1 - mse_test / that of the voxel mean",
    "pca_mse_test": "PCA of the same size on the same test voxels",
    "active_units": "Latent dimensions whose mean varies by more than .01 over voxels",
    "kl_nats": "KL of the posterior to the prior, in nats a voxel",
    "variance_ratio": "Variance across voxels of the reconstruction over that of the input",
    "swap_ratio": "Error with swapped inputs over the error",
    "knn_accuracy": "Balanced accuracy of networks by k nearest neighbours in the latents, whole parcels held out",
    "silhouette": "Mean silhouette of the networks in the latents",
    "seconds": "Time of the fit",
}
COLUMNS: dict[str, dict[str, str]] = {
    "voxels": {
        "parcel": "Label of the atlas; 0 without one",
        "network": "Network of the parcel",
        "status": "train, validation, test, or dropped (constant or not finite)",
    },
    "frames": {
        "run": "Run, from 0, in the order in which runs were joined",
        "frame": "Frame of that run, from 0",
        "weight": "1, or 0: censored, interpolated at the input, without part in loss, metrics and tSNR",
        "reason": "Why it was censored: dummy, non_steady_state, scrub, joined by +",
    },
    "history": {
        "step": "Optimiser step",
        "epoch": "Passes over the training voxels",
        "lr": "Learning rate",
        "train_mse": "Mean squared error on training voxels, scaled units",
        "val_mse": "Mean squared error on validation voxels, scaled units",
        "best": "1 where the weights were the best so far",
    },
    "tsnr_parcels": {"gain": "Change of the parcel's mean tSNR in per cent", "n": "Voxels"},
    "metrics": {
        "split": "How test voxels were chosen",
        "model": "cvae, or a control: PCA of that many components, shrinkage, voxel mean",
        "mse_test": "Mean squared error on test voxels, scaled units",
        "mse_random": "The same on 2,000 random voxels",
        "emse_frame": "Mean squared error of one volume",
        "emse_all": "Mean squared error of all volumes",
        "r2": "1 - mse_test / that of the voxel mean",
        "variance_ratio": "Variance over time of the reconstruction over that of the input, test voxels",
        "gain_mean": "Mean over voxels of the gain in tSNR, in per cent",
        "wilcoxon_log10p": "log10 p of Wilcoxon's signed-rank test over voxels (which are not independent)",
        "effect_size": "Matched-pairs rank-biserial correlation",
        "r_clean_mean": "Mean over voxels of the correlation with the planted clean signal (simulated data)",
    },
    "structure": {
        "space": "cvae: the latents; rotated: the same at random orientations; gaussian: normal draws of the same "
        "covariance; PCA, diffusion embedding and raw series beside it",
        "max_abs_r": "Largest absolute correlation of two dimensions over voxels (in the paper: all below 0.3)",
        "share_below_0.3": "Share of the pairs of dimensions that correlate less than that",
        "twonn": "Intrinsic dimension by the ratio of the distances to the two nearest neighbours (TwoNN)",
        "twonn_low": "Lower end of its 95 % interval",
        "twonn_high": "Upper end of its 95 % interval",
        "participation_ratio": "Dimensions that share the variance: (sum of eigenvalues)^2 / sum of their squares",
    },
    "correlations": {
        "first": "Dimension, from 1",
        "second": "Dimension, from 1",
        "r": "Pearson correlation over voxels",
    },
    "dimensions": {
        "dimension": "From 1",
        "sd": "Standard deviation over voxels",
        "morans_i": "Moran's I of the map on the voxel grid: 1 smooth, 0 random",
        "morans_i_null_mean": "Mean of Moran's I over random orders of the voxels",
        "morans_i_null_sd": "Its standard deviation",
        "p": "Share of random orders at least as smooth",
        "correlation_length_mm": "Distance at which the map's autocorrelation falls to 1/e, in mm",
    },
    "views": {
        "view": "pca, ica, tsne or umap of the latents",
        "row": "Voxel, a row of the series",
        "x": "First axis",
        "y": "Second axis",
    },
    "matches": {
        "latent": "Dimension of the CVAE, from 1",
        "gradient": "Dimension of the diffusion embedding, from 1",
        "r": "Correlation over patches of voxels",
        "p_spatial": "Share of maps with the same spatial autocorrelation that correlate as much (Moran randomisation)",
        "r_voxels": "The same correlation over voxels",
        "best": "1 for the gradient that fits a latent best",
        "p_best": "p of the best of all gradients",
        "r_all": "Multiple correlation of the latent with all gradients",
        "r_all_null": "Its mean under the null",
        "p_all": "Its p",
    },
    "separability": {
        "space": "mm: position in the brain; labels shuffled: networks given to other parcels",
        "silhouette": "Mean silhouette of the networks",
        "knn_accuracy": "Balanced accuracy of k nearest neighbours, whole parcels held out",
        "probe_accuracy": "Balanced accuracy of a linear discriminant, whole parcels held out",
        "chance": "1 / number of networks",
        "variance_ratio": "Variance between networks over that within",
    },
    "geometry": {
        "space": "Where distances between parcels are taken",
        "r": "Spearman correlation of minus the distance with Pearson connectivity, over pairs of parcels",
        "p_mantel": "p of Mantel's test",
        "r_partial": "The same with distance in mm removed",
        "p_partial": "p of the partial Mantel's test",
    },
    "latent_recovery": {
        "planted": "Planted latent",
        "space": "From what it is predicted; mm: position in the brain",
        "r2": "Explained variance of a linear regression, whole parcels held out",
    },
    "sweep": SCORES,
    "divergence": SCORES,
    "surrogate": SCORES,
    "outliers": {
        "detector": "Score that is held against the planted artefacts, controls too",
        "auc": "Area under the ROC curve, where artefacts were planted",
        "n_flagged": "Voxels or frames above the threshold",
        "threshold": "In robust standard deviations",
    },
    "voxel_scores": {
        "score": "The larger of both",
        "error": "Unexplained variance for a voxel of this variance, in robust standard deviations",
        "density": "How empty the latent space is around the voxel, in robust standard deviations",
        "planted": "1 where an artefact was planted (simulated data)",
    },
    "frame_scores": {
        "score": "The larger of error and density, in robust standard deviations",
        "dvars": "Scaled units",
    },
    "samples": {
        "quantity": "spectrum, autocorrelation or variance",
        "at": "Frequency (Hz, or cycles a frame), lag (frames) or quantile",
        "samples": "Of series decoded from latents drawn from their density",
        "pca_samples": "Of series of PCA with normal scores",
    },
    "reliability": {
        "measure": "Map of the denoised first half, held against that of the raw second half",
        "r": "Correlation of the two",
        "fwhm_mm": "Of the smoothing",
    },
}


def described(table: str) -> dict[str, dict[str, str]]:
    """Columns of a table as a sidecar describes them."""
    return {column: {"Description": text} for column, text in COLUMNS.get(table, {}).items()}
