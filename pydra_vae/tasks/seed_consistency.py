"""Do fits from several seeds find the same factors?"""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"consistency": File})
def SeedConsistency(
    factors: list[File],
    models: list[str],
    seeds: list[int],
    subject_split: File,
    n_shifts: int = 200,
    seed: int = 0,
):
    """Match the factors of every two seeds of a model, and correlate them.

    Parameters
    ----------
    factors : list of file
        (S, T, k) ``.npy``, one a fit (EncodeFactors, Ica).
    models : list of str
        What each fit is called; fits of one name and one k are compared.
    seeds : list of int
        The seed of each fit.
    subject_split : file
        Parts of the recordings (SplitSubjects); the test recordings count.
    n_shifts : int
        Circular shifts in time of one against the other, for the null.
    seed : int
        Of the shifts.

    Returns
    -------
    consistency : file
        TSV, one row a pair of fits: model, k, seed_a, seed_b, matched_r (mean |r| of matched factors of the average
        over all test recordings, whatever their timing), null (its mean over shifts), p, matched_r_recordings (of all
        test recordings one after the other, each standardised, so that nothing need be locked to a task) and
        null_recordings.
    """
    from itertools import combinations

    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._consistency import compare, factors_of_test

    given = {"models": models, "seeds": seeds}
    for name, values in given.items():
        if len(values) != len(factors):
            raise ValueError(f"{len(values)} {name} but {len(factors)} files of factors: give one for each")
    found = [factors_of_test(path, subject_split) for path in factors]
    fits = list(zip(models, seeds, found, strict=True))
    rows = [
        {"model": a[0], "k": a[2].shape[2], "seed_a": a[1], "seed_b": b[1], **compare(a[2], b[2], n_shifts, seed)}
        for a, b in combinations(fits, 2)
        if a[0] == b[0] and a[2].shape[2] == b[2].shape[2]
    ]
    columns = ["model", "k", "seed_a", "seed_b", "matched_r", "null", "p", "matched_r_recordings", "null_recordings"]
    return write_table(Path("consistency.tsv"), pd.DataFrame(rows, columns=columns))
