"""How much of planted factors (or any other numbers of the images) features tell."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step

COLUMNS = (
    "model", "target", "kind", "r", "r2", "best_single_r", "best_latent", "control_r", "n_train", "n_test",
)  # fmt: skip


@step(outputs={"recovery": File})
def RecoverFactors(
    features: list[File], names: list[str], targets: File, volume_split: File, n_shuffles: int = 100, seed: int = 0
):
    """Predict each target from all features together, on test persons.

    A single latent need not be a planted factor, so all are used together; the best single one stands beside it. One
    image a person, the first visit.

    Parameters
    ----------
    features : list of files
        (N, k) arrays: posterior means (EncodeVolumes), scores of PCAs (VolumePcaScores).
    names : list of str
        Of the features, for the table.
    targets : file
        Table of the images: label, and columns of numbers, e.g. planted factors; text columns are left out.
    volume_split : file
        Split of the persons (SplitSubjects); its rows are the images.
    n_shuffles : int
        Of the training persons' values, for the control.
    seed : int
        Of the shuffles.

    Returns
    -------
    recovery : file
        TSV, one row a feature set, target and kind of regression: model, target, kind (linear: ridge; kernel: kernel
        ridge with a Gaussian kernel; both choose by leaving out one training person at a time), r and r2 (on test
        persons, fitted on training and validation persons; r² against the fitted persons' mean), best_single_r (|r|
        on test persons of the latent with the highest |r| on the fitted ones) and best_latent (which, from 0),
        control_r (95th percentile of |r| with shuffled training values; far from 0 where
        the target fills the features, since any direction in them then shares something with it), n_train, n_test.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.factor_recovery import KINDS, recover
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.tasks._volume_latents import load_latents, numbers, once, read_covariates

    if len(features) != len(names):
        raise ValueError(f"{len(features)} files of features but {len(names)} names: give one name for each")
    split = Split.load(volume_split)
    table = read_covariates(targets, split)
    train, test = once(split, table, ("train", "validation")), once(split, table, ("test",))
    columns = numbers(table)
    if not columns:
        raise ValueError(f"{targets} has no column of numbers beside label: there is nothing to recover")
    rows = []
    for path, name in zip(features, names, strict=True):
        z = load_latents(path, split)
        for target in columns:
            y = table[target].to_numpy(dtype=float)
            for kind in KINDS:
                found = recover(z[train], y[train], z[test], y[test], kind, n_shuffles, seed)
                rows.append(
                    {
                        "model": name,
                        "target": target,
                        "kind": kind,
                        "r": found.r,
                        "r2": found.r2,
                        "best_single_r": found.single_r,
                        "best_latent": found.latent if found.latent >= 0 else None,
                        "control_r": found.chance_r,
                        "n_train": found.n_train,
                        "n_test": found.n_test,
                    }
                )
    result = pd.DataFrame(rows, columns=list(COLUMNS)).astype({"best_latent": "Int64"})
    return write_table(Path("recovery.tsv"), result)
