"""The trajectory of the test average through the factors' space, in two dimensions and in all of them."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"embedding": File, "distances": File, "silhouette": File})
def FactorEmbedding(
    factors: File,
    subject_split: File,
    regressors: list[File | None] | None = None,
    perplexity: float = 30.0,
    delay: float = 5.0,
    n_designs: int = 10,
    n_permutations: int = 500,
    seed: int = 0,
):
    """Embed the test average in the plane, and ask whether frames of one sub-task keep together.

    Factors keep their scale, so that one that hardly varies hardly counts. Recordings of one timing are averaged, as
    in the paper; averages of several timings follow one another. Without events recordings share no timing: the
    trajectory of the first test recording is embedded.

    Parameters
    ----------
    factors : file
        (S, T, k) ``.npy`` (EncodeFactors, Ica).
    subject_split : file
        Parts of the recordings (SplitSubjects).
    regressors : list of file, optional
        One table a recording (TaskRegressors).
    perplexity : float
        Of t-SNE; at most a third of the frames.
    delay : float
        Seconds by which the labels are late in the tests named "delayed", about the peak of the response.
    n_designs : int
        At most so many averages, the first ones; t-SNE takes minutes for tens of thousands of frames.
    n_permutations : int
        Circular shifts of the labels, at most T − 1; those of all designs shift together.
    seed : int
        Of t-SNE and of the shifts.

    Returns
    -------
    embedding : file
        TSV, one row a frame: frame, design (from 0), x, y, block (sub-task; n/a between blocks), opacity (the paper's
        ramps).
    distances : file
        TSV, one row a pair of sub-tasks: first, second, distance between their means in the space of all factors,
        relative (to the mean over pairs), null_mean (of relative, labels shifted), p_closer.
    silhouette : file
        TSV: space (factors, t-SNE, each also with delayed labels), value, null_mean, null_sd, p. Frames between
        blocks do not count.
    """
    import pandas as pd

    from pydra_vae.bids.tables import write_table
    from pydra_vae.stats import trajectories, views
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._trajectory import Trajectory

    way = Trajectory.load(load_array(factors), subject_split, regressors, n_designs)
    plane = views.tsne_view(way.factors, seed, perplexity)
    frames = pd.DataFrame({
        "frame": way.frame, "design": way.design, "x": plane[:, 0], "y": plane[:, 1], "block": way.joined,
        "opacity": way.opacity,
    }).replace({"block": {"": None}})  # fmt: skip
    late = [trajectories.delayed(one, round(delay / way.t_r) if way.t_r else 0) for one in way.blocks]
    drawn = {"n_permutations": n_permutations, "seed": seed}
    tests = [
        {"space": f"{space}{suffix}", **trajectories.silhouette_test(points, labels, **drawn)}
        for labels, suffix in ((way.blocks, ""), (late, ", delayed"))
        for space, points in (("factors", way.factors), ("t-SNE", plane))
        if way.has_task
    ]
    pairs = trajectories.distance_test(way.factors, way.blocks, **drawn)
    of_pairs = ["first", "second", "distance", "relative", "null_mean", "p_closer"]
    of_tests = ["space", "value", "null_mean", "null_sd", "p"]
    return (
        write_table(Path("embedding.tsv"), frames),
        write_table(Path("distances.tsv"), pd.DataFrame(pairs, columns=of_pairs)),
        write_table(Path("silhouette.tsv"), pd.DataFrame(tests, columns=of_tests)),
    )
