"""What the columns of motor's delivered tables hold, for their sidecars."""

from __future__ import annotations

from collections.abc import Iterable

from pydra_vae.bids import columns as bids_columns

MODEL = {
    "model": "TI-VAE, β-VAE (-S: structural, -F: functional clusters), a control, or an ICA or PCA by what is "
    "independent and what it was fitted to",
    "k": "Number of factors",
    "beta": "Weight of the total correlation beside the KL averaged over factors (TI-VAE), or of that KL (β-VAE); a "
    "TI-VAE at 0 is a β-VAE at 1",
    "seed": "Seed of weights and batches",
}
TASK = {
    **MODEL,
    "subtask": "Movement, as the events name it",
    "factor": "Number of the factor, from 0, with the highest |r| on the validation average",
    "sign": "Sign of that correlation",
    "r_validation": "Correlation with the expected response on the validation average",
    "r_test": "Absolute correlation of the same factor on the test average",
    "turned": "1 where its sign there differs from that on the validation average",
    "p_shift": "(1 + circular shifts of the regressors that score no less) / (1 + shifts)",
    "chance": "Mean score under circular shifts, the paper's way",
    "chance_held_out": "The same, chosen on the validation and scored on the test average",
    "ceiling": "Correlation of the filtered with the unfiltered expected response",
    "paper_factor": "Factor with the highest |r| on the test average itself",
    "r_paper": "Its |r| there: chosen and scored on the same data, so optimistic",
    "p_paper": "As p_shift, the paper's way",
    "readout": "Mean correlation of a ridge regression from all factors with the expected responses",
    "readout_r": "Correlation of a ridge regression from all factors with the expected response",
    "readout_chance": "Mean of the same under circular shifts",
    "p_readout": "As p_shift, of the ridge regression",
    "subject_r_mean": "Mean over the test recordings of their own correlations, in the sign of the validation average",
    "subject_r_sd": "Standard deviation of the same",
    "n_test": "Test recordings",
}
RECORDING = {"label": "Recording", "person": "Whose it is"}
FITS = {
    "setting": "What tells the fit apart, where model, k, beta and seed do not",
    **MODEL,
    "r2_train": "1 - squared error over squares about each vertex's mean over a recording; some training recordings",
    "r2_validation": "The same of validation recordings",
    "r2_test": "The same of test recordings",
    "gap": "r2_train - r2_test",
    "pca_r2_train": "PCA of as many components, on the recordings of r2_train",
    "pca_r2_test": "The same on those of r2_test",
    "mse_test": "Mean squared error of test recordings, in squared units of the series",
    "kl": "KL to the prior in nats a frame, summed over factors, of test recordings",
    "mi": "Its part that is index-code mutual information",
    "tc": "Its part that is total correlation over a recording's frames",
    "dimension_wise": "Its part that is the KL of each factor's marginal, summed over factors",
    "mean_log_sigma": "Log of the mean standard deviation of the posteriors",
    "factor_r": "Mean |r| between factors",
    "active_units": "Factors that are used",
    "collapsed": "Whether the fit has collapsed",
    **{name: f"As in the comparison: {name}" for name in ("r_validation", "r_test", "r_paper", "readout", "chance")},
    "parameters": "Weights of the networks",
    "best_step": "Optimiser step whose weights were kept",
    "seconds": "Wall time of the training",
}
CLUSTERS = {
    "hemi": "L or R",
    "cluster": "Number of the cluster in its hemisphere, from 0",
    "size": "Vertices",
    "pieces": "Connected pieces",
    "strays": "Vertices outside the largest piece",
}
COLUMNS: dict[str, dict[str, str]] = {
    "vertices": {
        "hemi": "L or R",
        "vertex": "Number on the hemisphere's mesh, from 0",
        "label": "Label of the region",
    },
    "subject_split": {**RECORDING, "part": "train, validation or test; all recordings of a person lie in one"},
    "clusters": CLUSTERS,
    "functional": CLUSTERS,
    "claims": {
        "claim": "Key of the claim; short: which claim holds against which null, in one sentence",
        "paper_says": "What the paper says",
        "paper": "Its figure or table",
        "ours": "Figure of these data",
        "control": "The control's",
        "verdict": "as in the paper; its control does as well; otherwise; open",
        "finding": "What was found, in words",
    },
    "comparison": TASK
    | {
        "r_validation": "Highest |r| on the validation average, mean over the sub-tasks",
        "r_test": "Mean over the sub-tasks of |r|, chosen on validation, scored on test",
        "n_turned": "Sub-tasks whose factor has another sign on the test average than on the validation average",
        "n_designs": "Different timings; averages are made within each",
        "n_subtasks": "Sub-tasks",
        "n_train": "Training recordings",
        "n_validation": "Validation recordings",
    },
    "scores": TASK,
    "subjects": {
        **MODEL,
        **RECORDING,
        "subtask": TASK["subtask"],
        "factor": TASK["factor"],
        "r": "Correlation of the chosen factor with the recording's own expected response",
    },
    "courses": {
        **MODEL,
        "subtask": TASK["subtask"],
        "design": "Number of the timing, from 0",
        "frame": "Frame of it, from 0",
        "factor_value": "Best factor on the test average, z-scored, in the sign of the validation",
        "regressor": "Expected response, z-scored",
    },
    "glm": {
        **MODEL,
        "factor": "Number of the factor, from 0",
        "subtask": TASK["subtask"],
        "coefficient": "Of all sub-tasks together, z-scored",
        "r2": "Share of the factor that they explain",
    },
    "fits": FITS,
    "sweep": FITS,
    "map_scores": {
        **MODEL,
        "subtask": "Movement of which it is the best factor; n/a for a factor that is the best of none",
        "factor": "Number of the factor, from 0",
        "sign": TASK["sign"],
        "reading": "variance of the decoded surface, or its root (sd); an ICA map times its sign of r (signed), or "
        "|map| (abs)",
        "r_all": "Correlation with the reference over all vertices",
        "r_top10": "The same over the 10 % highest of the reference",
        "r_top5": "The same over 5 %",
        "r_top1": "The same over 1 %",
        "others_r_all": "Mean correlation with the other sub-tasks' references over all vertices, the control of r_all",
        "others_r_top10": "The same where these are highest",
        "sparsity": "Hoyer's measure of amplitudes: 0 flat, 1 a single vertex",
        "spread_mm": "Geodesic distance from the peak of a vertex's hemisphere, mean weighted by squared amplitude",
        "lateralisation": "(left - right) / (left + right) of the mean squared amplitude of a vertex",
        "peak_hemi": "Hemisphere of the peak",
        "peak_vertex": "Its vertex on that hemisphere's mesh, from 0",
        "reference": "Name of the reference map",
    },
    "stability": {
        **MODEL,
        "restart": "Number of the start; 0 is the fixed one",
        "iterations": "Iterations made",
        "converged": "Whether the algorithm stood still then",
        "objective": "What it minimises; lower is better",
        "similarity": "Mean |r| of its factors with those kept, matched",
        "kept": "Whether this start was kept",
    },
    "clock": {
        **MODEL,
        "check": "What was done to the input",
        "value": "Mean over recordings",
        "expected": "Without a clock; n/a where nothing is expected",
        "tolerance": "Largest difference that passes",
        "passed": "Whether it does",
    },
    "distances": {
        "model": "Model with its number of factors, β and seed",
        "first": "Sub-task",
        "second": "Sub-task",
        "distance": "Between their means in the space of all factors",
        "relative": "To the mean over pairs",
        "null_mean": "Mean of relative, labels shifted in time",
        "p_closer": "(1 + shifts in which they are no further apart) / (1 + shifts)",
    },
    "silhouette": {
        "model": "Model with its number of factors, β and seed",
        "space": "factors, t-SNE, each also with delayed labels",
        "value": "Mean silhouette of the sub-tasks over the frames of their blocks",
        "null_mean": "Its mean under labels shifted in time",
        "null_sd": "Standard deviation of the same",
        "p": "(1 + shifts that score no less) / (1 + shifts)",
    },
    "consistency": {
        "model": "Model with its number of factors and β",
        "k": MODEL["k"],
        "seed_a": "Seed of the one fit",
        "seed_b": "Seed of the other",
        "matched_r": "Mean |r| of matched factors of the average over all test recordings",
        "null": "Its mean under circular shifts",
        "p": "(1 + shifts that score no less) / (1 + shifts)",
        "matched_r_recordings": "The same of all test recordings one after the other",
        "null_recordings": "Its mean under circular shifts",
    },
    "factors": {"time": "Of the frame, in seconds"},
    "history": {
        "step": "Optimiser step, from 0",
        "epoch": "Passes over the training recordings",
        "lr": "Learning rate",
        "val_r2": "R² of validation recordings, from the posterior means",
        "best": "1 where validation was better than ever before",
    },
}
# Columns whose names the loss or the number of factors gives.
PATTERNS: dict[str, dict[str, str]] = {
    "factors": {r"factor-\d+": "That factor's value, in its own units; numbered from 1"},
    "history": {
        r"loss_.+": "Term of the training loss on crops, mean since the row before",
        r"val_.+": "The same of whole validation recordings; val_loss is their weighted sum",
        r"weight_.+": "Weight of the term at that step",
    },
}


def described(table: str, columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Columns that a table has, as a sidecar describes them.

    >>> described("factors", ["time", "factor-2"])["time"]
    {'Description': 'Of the frame, in seconds'}
    """
    return bids_columns.described(columns, COLUMNS.get(table, {}), PATTERNS.get(table))
