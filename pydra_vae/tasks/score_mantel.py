"""Latent distances against a score of participants.tsv."""

from fileformats.generic import File

from pydra_vae.engine.step import step

COLUMNS = ["score", "measure", "r", "p", "p_smallest", "n", "left_out"]


@step(outputs={"mantel": File})
def ScoreMantel(
    labels: list[str],
    distances: list[File],
    parcels: list[File],
    participants: File,
    score: str,
    controls: list[File] | None = None,
    control: str = "pca distances",
    n_permutations: int = 10_000,
    seed: int = 0,
):
    """Test whether subjects whose latent distances resemble each other have similar scores (Mantel).

    Parameters
    ----------
    labels : list of str
        Whose the recordings are; a label that occurs more than once is one person of several recordings, which are
        averaged.
    distances : list of file
        (P, P) distances between parcels in each latent space (ParcelDistances).
    parcels : list of file
        Their parcels; those that all recordings have are used.
    participants : file
        participants.tsv.
    score : str
        A column of numbers of it; persons without a value (n/a) are left out.
    controls : list of file, optional
        Matrices of the same parcels to test beside, such as distances in a PCA's space.
    control : str
        What they are.
    n_permutations : int
        Of persons; all orders where there are no more.
    seed : int

    Returns
    -------
    mantel : file
        TSV: score measure r p p_smallest n left_out. Spearman's r over pairs of persons, one-sided p (similar latents,
        similar scores); n/a below three persons.
    """
    import numpy as np
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.group_tests import score_mantel
    from pydra_vae.tasks._group import at_least_two, check_lengths, parcel_vectors, person_numbers

    at_least_two(labels, "a correlation with a score")
    check_lengths(labels, distances=distances, parcels=parcels, controls=controls)
    values = read_scores(participants, score, list(dict.fromkeys(labels)))
    kept = np.array([np.isfinite(values[label]) for label in labels])
    some = [label for label in labels if np.isfinite(values[label])]
    names = list(dict.fromkeys(some))
    rows = []
    for measure, files in {"latent distances": distances, f"control: {control}": controls}.items():
        if files is None:
            continue
        vectors = parcel_vectors(labels, files, parcels)[kept]
        scores = np.array([values[name] for name in names])
        found = score_mantel(vectors, scores, person_numbers(some, None), n_permutations, seed) if names else None
        rows.append({
            "score": score, "measure": measure, "r": found.r if found else None, "p": found.p if found else None,
            "p_smallest": found.p_smallest if found else None, "n": len(names),
            "left_out": " ".join(name for name in values if name not in names) or None,
        })  # fmt: skip
    return write_table("mantel.tsv", pd.DataFrame(rows, columns=COLUMNS))


def read_scores(path, score: str, labels: list[str]) -> dict[str, float]:
    """Each person's score, NaN for n/a; a label may carry session and run, or lack ``sub-``.

    Raises
    ------
    ValueError
        If the column is missing or holds no numbers, or a person has no row.
    """
    import pandas as pd

    from pydra_vae.bids.tables import read_table

    table = read_table(path)
    if "participant_id" not in table or score not in table:
        raise ValueError(
            f"{path} has no column {'participant_id' if 'participant_id' not in table else score!r}, only "
            f"{', '.join(table.columns)}: choose one of them (--score)"
        )
    given = dict(zip(table["participant_id"].astype(str), table[score], strict=True))
    rows = {label: next((name for name in _names(label) if name in given), None) for label in labels}
    missing = [label for label, name in rows.items() if name is None]
    if missing:
        raise ValueError(f"{path} has no row for {', '.join(missing)}: add a row (n/a where the score is not known)")
    numbers = {label: pd.to_numeric(given[name], errors="coerce") for label, name in rows.items()}
    for label, name in rows.items():
        if pd.isna(numbers[label]) and not pd.isna(given[name]):
            raise ValueError(f"{path}: {score} of {name} is {given[name]!r}, not a number: choose a column of numbers")
    return {label: float(value) for label, value in numbers.items()}


def _names(label: str) -> list[str]:
    person = label.split("_")[0]
    return [label, person, f"sub-{person}"]
