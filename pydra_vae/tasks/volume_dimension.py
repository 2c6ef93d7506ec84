"""How many dimensions images and latents fill, and where in their space they lie (the tutorial's appendix A)."""

from pathlib import Path
from typing import Literal

import numpy as np
from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"dimension": File, "shells": File})
def VolumeDimension(
    latents: File,
    volumes: File,
    volume_split: File,
    pca: File,
    parts: Literal["all", "test"] = "all",
    n_draws: int = 5,
    seed: int = 0,
):
    """Estimate the intrinsic dimension of images and latents, and their concentration in shells, beside controls.

    One image a person, the first visit, of at most 2,000 persons. TwoNN is too low in many dimensions and among few
    points, so that every space stands beside a Gaussian of its covariance and as many points: dimensions that hang
    together beyond their covariance show as less than that one.

    Parameters
    ----------
    latents : file
        (N, k) posterior means (EncodeVolumes).
    volumes : file
        (N, V) images (StackVolumes).
    volume_split : file
        Split of the persons (SplitSubjects); its rows are the images.
    pca : file
        PCA of the training images (FitVolumePca).
    parts : {"all", "test"}
        Persons to use: all, or those that no model has seen.
    n_draws : int
        Of each control.
    seed : int
        Of the controls, and of the choice where there are more than 2,000 persons.

    Returns
    -------
    dimension : file
        TSV, one row a space and control: space (images, PCA-k scores, VAE latents), control (none; gaussian: of the
        very same covariance; shuffled: each dimension in its own order of persons), n persons, dims, twonn, lower and
        upper (95 %; of controls the mean, and the range over draws), participation_ratio. Few dimensions beside k: k
        is more than the data need.
    shells : file
        TSV: space (VAE latents as they are, which the prior wants to be N(0, I), and all spaces whitened), control,
        n, dims, radius_mean, radius_sd, sqrt_d, expected_mean and expected_sd (of a Gaussian's radius), shell_share
        (persons whose radius lies within 10 % of √d), shell_share_gaussian, shell_share_ball (1 − (1 − ε/R)^d, ε/R
        .1: the appendix's uniform ball), shell_share_printed (d ε/R, the approximation printed there, beyond 1).
    """
    from pydra_vae.bids.tables import write_table
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._recordings import Split
    from pydra_vae.tasks._volume_latents import check_rows, limited, load_latents, once

    split, x = Split.load(volume_split), load_array(volumes)
    check_rows(x, volumes, split)
    rows = limited(once(split, parts=("test",) if parts == "test" else ("train", "validation", "test")), seed)
    if len(rows) < 4 or n_draws < 1:
        raise ValueError(f"{len(rows)} persons and {n_draws} draws: a dimension needs at least 4 persons and 1 draw")
    z = load_latents(latents, split)[rows]
    spaces = _spaces(x, rows, pca, z)
    dimension = [row for name, points in spaces.items() for row in _dimensions(name, points, n_draws, seed)]
    latents_only = {"VAE latents": (z, False)}
    whitened = {f"{name}, whitened": (points, True) for name, points in spaces.items() if name != "images"}
    shells = [
        row
        for name, (points, whiten) in {**latents_only, **whitened}.items()
        for row in _shells(name, points, whiten, n_draws, seed)
    ]
    return write_table(Path("dimension.tsv"), dimension), write_table(Path("shells.tsv"), shells)


def _spaces(x, rows, pca, z) -> dict[str, np.ndarray]:
    from pydra_vae.stats.embeddings import isometric
    from pydra_vae.tasks._volume_latents import pca_scores

    scores, _ = pca_scores(pca, x, rows, z.shape[1])
    return {"images": isometric(x, rows), f"PCA-{scores.shape[1]} scores": scores, "VAE latents": z}


def _draws(points, n_draws: int, seed: int) -> dict[str, list[np.ndarray]]:
    from pydra_vae.stats.shells import gaussian_like, shuffled_columns

    rng = np.random.default_rng(seed)
    return {
        "none": [points],
        "gaussian": [gaussian_like(points, rng) for _ in range(n_draws)],
        "shuffled": [shuffled_columns(points, rng) for _ in range(n_draws)],
    }


def _dimensions(space: str, points, n_draws: int, seed: int) -> list[dict]:
    from pydra_vae.stats.dimension import participation_ratio, twonn

    rows = []
    for control, draws in _draws(points, n_draws, seed).items():
        found = [twonn(draw) for draw in draws]
        values = np.array([one.value for one in found])
        single = control == "none"
        rows.append(
            {
                "space": space,
                "control": control,
                "n": len(points),
                "dims": points.shape[1],
                "twonn": float(values.mean()),
                "lower": found[0].low if single else float(values.min()),
                "upper": found[0].high if single else float(values.max()),
                "participation_ratio": float(np.mean([participation_ratio(draw) for draw in draws])),
            }
        )
    return rows


def _shells(space: str, points, whiten: bool, n_draws: int, seed: int) -> list[dict]:
    from pydra_vae.stats.shells import THICKNESS, ball_share, measure_shell

    rows = []
    for control, draws in _draws(points, n_draws, seed).items():
        found = [measure_shell(draw, whiten) for draw in draws]
        dims = found[0].dims
        rows.append(
            {
                "space": space,
                "control": control,
                "n": found[0].n,
                "dims": dims,
                "radius_mean": float(np.mean([one.radius_mean for one in found])),
                "radius_sd": float(np.mean([one.radius_sd for one in found])),
                "sqrt_d": float(np.sqrt(dims)),
                "expected_mean": found[0].expected_mean,
                "expected_sd": found[0].expected_sd,
                "shell_share": float(np.mean([one.share for one in found])),
                "shell_share_gaussian": found[0].share_gaussian,
                "shell_share_ball": ball_share(dims),
                "shell_share_printed": dims * THICKNESS,
            }
        )
    return rows
