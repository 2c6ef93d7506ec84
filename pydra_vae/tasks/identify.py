"""Individual identification from two halves of each recording."""

from fileformats.generic import File

from pydra_vae.engine.step import step

LATENT = "latent distances"
COLUMNS = ["method", "accuracy", "chance", "p", "p_smallest", "n", "self_r", "other_r"]


@step(outputs={"identification": File, "matrix": File})
def Identify(
    labels: list[str],
    first: list[File],
    second: list[File],
    parcels: list[File],
    control_first: list[File] | None = None,
    control_second: list[File] | None = None,
    control: str = "connectivity",
    persons: list[str] | None = None,
    n_permutations: int = 1000,
    seed: int = 0,
):
    """Find each subject's second half among all subjects by its parcel × parcel matrix of the first half.

    Parameters
    ----------
    labels : list of str
        Of the recordings, in the order of all lists.
    first, second : list of file
        (P, P) distances between parcels in the latents of models of each half of the frames (ParcelDistances).
    parcels : list of file
        Their parcels (ParcelDistances); those that all recordings have are used.
    control_first, control_second : list of file, optional
        Matrices of the same parcels to identify by instead, such as Pearson connectivity of the halves.
    control : str
        What they are.
    persons : list of str, optional
        Whose each recording is; all different by default.
    n_permutations : int
    seed : int

    Returns
    -------
    identification : file
        TSV: method accuracy chance p p_smallest n self_r other_r. n counts persons.
    matrix : file
        TSV: first second r. Correlation of each first with each second half's latent distances.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats.group_tests import standardised
    from pydra_vae.stats.identification import identify
    from pydra_vae.tasks._group import at_least_two, check_lengths, parcel_vectors, person_numbers

    at_least_two(labels, "identification")
    check_lengths(labels, first=first, second=second, parcels=parcels, persons=persons)
    if (control_first is None) != (control_second is None):
        raise ValueError("controls are needed of both halves, or of none: give control_first and control_second")
    numbers = person_numbers(labels, persons)
    if numbers.max() == 0:
        raise ValueError("identification needs at least two persons, and all recordings are of one: leave it out")
    methods = {LATENT: (first, second)}
    if control_first is not None:
        check_lengths(labels, control_first=control_first, control_second=control_second)
        methods[f"control: {control}"] = (control_first, control_second)
    rows, matrices = [], {}
    for method, halves in methods.items():
        one, other = (standardised(parcel_vectors(labels, files, parcels)) for files in halves)
        matrices[method] = one @ other.T
        rows.append({"method": method} | vars(identify(matrices[method], numbers, n_permutations, seed)))
    pairs = [
        {"first": a, "second": b, "r": matrices[LATENT][i, j]}
        for i, a in enumerate(labels)
        for j, b in enumerate(labels)
    ]
    return write_table("identification.tsv", pd.DataFrame(rows, columns=COLUMNS)), write_table("matrix.tsv", pairs)
