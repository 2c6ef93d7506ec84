"""What the columns of motor's delivered tables hold, for their sidecars."""

from __future__ import annotations

from pydra_vae.workflows.motor_specs import MATCHED_BETA

MODEL = {
    "model": "TI-VAE, β-VAE (-S: structural, -F: functional clusters), a control, or an ICA or PCA by what is "
    "independent and what it was fitted to",
    "k": "Number of factors",
    "beta": "Weight of the total correlation beside the KL (TI-VAE), or of the KL (β-VAE): TI-VAE at 1 weighs the "
    f"total correlation as a β-VAE at {MATCHED_BETA:g} does",
    "seed": "Seed of weights and batches",
}
TASK = {
    **MODEL,
    "subtask": "Movement, as the events name it",
    "factor": "Number of the factor, from 0, with the highest |r| on the validation average",
    "sign": "Sign of that correlation",
    "r_validation": "Correlation with the expected response on the validation average",
    "r_test": "The same factor on the test average, in the sign of the validation",
    "p_shift": "Share of circular shifts of the regressors with a higher score",
    "chance": "Mean score under circular shifts, the paper's way",
    "chance_held_out": "The same, chosen on the validation and scored on the test average",
    "ceiling": "Correlation of the filtered with the unfiltered expected response",
    "paper_factor": "Factor with the highest |r| on the test average itself",
    "r_paper": "Its |r| there: chosen and scored on the same data, so optimistic",
    "readout": "Mean correlation of a ridge regression from all factors with the expected responses",
    "readout_r": "Correlation of a ridge regression from all factors with the expected response",
    "subject_r_mean": "Mean over the test recordings of their own correlations",
    "n_test": "Test recordings",
}
COLUMNS: dict[str, dict[str, str]] = {
    "vertices": {
        "hemi": "L or R",
        "vertex": "Number on the hemisphere's mesh, from 0",
        "label": "Label of the region",
    },
    "subject_split": {"part": "train, validation or test; all recordings of a person lie in one"},
    "comparison": TASK | {"r_test": "Mean over the sub-tasks, chosen on validation, scored on test"},
    "scores": TASK,
    "subjects": {**MODEL, "r": "Correlation of the chosen factor with the recording's own expected response"},
    "courses": {
        **MODEL,
        "factor_value": "Best factor on the test average, z-scored, in the sign of the validation",
        "regressor": "Expected response, z-scored",
    },
    "glm": {
        **MODEL,
        "coefficient": "Of all sub-tasks together, z-scored",
        "r2": "Share of the factor that they explain",
    },
    "fits": {
        **MODEL,
        "r2_train": "1 - mean squared error over the variance about the mean, training recordings",
        "r2_test": "The same of test recordings",
        "gap": "r2_train - r2_test",
        "pca_r2_test": "PCA of as many components, on the same recordings",
        "kl": "KL to the prior in nats, a frame and factor",
        "mi": "Its part that is index-code mutual information",
        "tc": "Its part that is total correlation over a recording's frames",
        "dimension_wise": "Its part that is the KL of each factor's marginal",
        "mean_log_sigma": "Mean log of the posterior's standard deviation",
        "factor_r": "Mean |r| between factors",
        "collapsed": "Whether the fit has collapsed",
    },
    "map_scores": {
        **MODEL,
        "reading": "variance of the decoded surface; or an ICA map times its sign of r (signed), or as |map| (abs)",
        "r_all": "Correlation with the reference over all vertices",
        "r_top10": "The same over the 10 % highest of the reference",
        "r_top5": "The same over 5 %",
        "r_top1": "The same over 1 %",
        "sparsity": "Hoyer's measure: 0 flat, 1 a single vertex",
        "spread_mm": "Geodesic distance from the peak, mean weighted by the map",
        "lateralisation": "(left - right) / (left + right) of the map's mass",
    },
}


def described(table: str) -> dict[str, dict[str, str]]:
    """Columns of a table as a sidecar describes them."""
    return {column: {"Description": text} for column, text in COLUMNS.get(table, {}).items()}
