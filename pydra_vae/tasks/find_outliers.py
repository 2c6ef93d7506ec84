"""Which voxels and frames do not belong to the data that the model learnt."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"outliers": File, "voxel_scores": File, "frame_scores": File, "score_map": File})
def FindOutliers(
    scaled: File,
    reconstruction: File,
    latents: File,
    controls: File,
    frames: File,
    voxels: File,
    scaling: File,
    mask: File,
    confounds: list[File | None] | None = None,
    truth: File | None = None,
    tasks: list[str] | None = None,
    seed: int = 0,
):
    """Score voxels and frames by reconstruction error and by the density of their latents.

    ``error`` compares a voxel's (or frame's) error with others of like variance; ``density`` is the distance of its
    code to the 20th nearest of other codes; ``combined`` is the larger of the two. A frame's code is where it lies in
    the span of the latent maps. Scores are robust z, flagged above 3.5; no score was fitted to what was planted. The
    share of a series that is left unexplained hardly exceeds 1, so in noisy data `error` can rank outliers well and
    still flag none. Beside them stand the same two of a PCA of the model's size, and what needs no model: variance
    (in scaled and in scanner units) and tSNR of voxels, variance, DVARS and framewise displacement of frames.

    Parameters
    ----------
    scaled : file
        (K, T) scaled series (Normalize).
    reconstruction : file
        (K, T) reconstruction (Reconstruct).
    latents : file
        (K, D) latents (Encode).
    controls : file
        PCAs (FitControls).
    frames : file
        Joined table of frames (Normalize); frames of weight 0 are neither scored nor counted.
    voxels, scaling, mask : file
        Of MakeMask and Normalize.
    confounds : list of file, optional
        fMRIPrep's tables, one a run, for the framewise displacement.
    truth : file, optional
        Planted artefacts (``desc-truth_artefacts.tsv``) of simulated data: kind, task, i, j, k, frame.
    tasks : list of str, optional
        Task of each run; needed with a truth.
    seed : int
        Of the reference codes and of the bootstrap.

    Returns
    -------
    outliers : file
        TSV, one row a kind (voxel, frame) and detector: auc with its 95 % bootstrap interval (n/a without a truth), n,
        n_planted, n_flagged, threshold.
    voxel_scores : file
        TSV: i j k score error density planted; score is the combined one.
    frame_scores : file
        TSV: run frame score error density dvars planted; n/a for frames of weight 0.
    score_map : file
        NIfTI map of the combined score.
    """
    import numpy as np

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.stats import outliers as scores
    from pydra_vae.stats.density import rarity
    from pydra_vae.tasks._io import load_array
    from pydra_vae.tasks._maps import save_map
    from pydra_vae.tasks._measured import Measured
    from pydra_vae.tasks._space import Space

    cwd = Path.cwd()
    data = Measured.load(scaled, reconstruction, scaling, frames, controls)
    pca = data.pcas[data.latent_dim]
    z = {"": np.asarray(load_array(latents)), "pca ": np.vstack([pca.encode(x) for x in _blocks(data.x)])}
    place, table = Space.load(Path(voxels), Path(scaling), Path(mask)), read_table(frames)
    used = data.weights.astype(bool)
    models = {"": data.decoded, "pca ": pca.reconstruct}
    errors, (voxel_variance, frame_variance) = scores.residuals(data.x, models, data.weights)

    def detectors(codes, which, variance, rows):
        """Error, density and both, of the model and of PCA."""
        found = {}
        for name in models:
            error = scores.error_scores(errors[name][which][rows], variance[rows])
            density = scores.robust_z(rarity(codes[name], seed))
            found |= {f"{name}error": error, f"{name}density": density}
            if not name:
                found["combined"] = np.fmax(error, density)
        return found | {"variance": scores.robust_z(np.log(np.maximum(variance[rows], np.finfo(float).tiny)))}

    of_voxels = detectors(z, 0, voxel_variance, slice(None)) | {
        "scanner variance": scores.robust_z(np.log(voxel_variance * (data.scaling.scale**2).mean(axis=1))),
        "tsnr": -scores.robust_z(_tsnr(data)),
    }
    frame_codes = {name: scores.frame_codes(data.x, codes, data.weights)[used] for name, codes in z.items()}
    change = scores.dvars(data.x, data.scaling.lengths)
    of_frames = detectors(frame_codes, 1, frame_variance, used) | {"dvars": scores.robust_z(change[used])}
    moved = _displacement(confounds, data.scaling.lengths)
    if moved is not None:
        of_frames["framewise displacement"] = scores.robust_z(moved[used])
    of_frames = {name: _at(values, used) for name, values in of_frames.items()}

    planted_voxels, planted_frames = _planted(truth, tasks, place.ijk, table)
    rows = _rows("voxel", of_voxels, planted_voxels, np.full(len(z[""]), True), seed)
    rows += _rows("frame", of_frames, planted_frames, used, seed)
    named = {"score": "combined", "error": "error", "density": "density"}
    voxel_table = place.places().assign(
        **{column: of_voxels[name] for column, name in named.items()}, planted=planted_voxels
    )
    frame_table = table[["run", "frame"]].assign(
        **{column: of_frames[name] for column, name in named.items()}, dvars=of_frames["dvars"], planted=planted_frames
    )
    return (
        write_table(cwd / "outliers.tsv", rows),
        write_table(cwd / "voxel_scores.tsv", voxel_table),
        write_table(cwd / "frame_scores.tsv", frame_table),
        save_map(cwd / "score", of_voxels["combined"], data.scaling, Path(mask)),
    )


def _blocks(x):
    from pydra_vae.stats.chunks import row_chunks

    return (x[rows] for rows in row_chunks(*x.shape))


def _at(values, used):
    """Values of the used frames at their places among all."""
    import numpy as np

    full = np.full(used.size, np.nan)
    full[used] = values
    return full


def _tsnr(data):
    """TSNR in scanner units; undefined for residuals."""
    import numpy as np

    from pydra_vae.stats.tsnr import tsnr_in_units

    if data.scaling.residual:
        return np.full(len(data.x), np.nan)
    return tsnr_in_units(data.x, data.scaling, "scanner", weights=data.weights)


def _displacement(confounds, lengths):
    """Framewise displacement of all runs joined, (T,); None where a run has none."""
    import numpy as np

    from pydra_vae.images.confounds import read_table

    if not confounds or any(path is None for path in confounds):
        return None
    tables = [read_table(Path(path), int(n)) for path, n in zip(confounds, lengths, strict=True)]
    if any("framewise_displacement" not in table for table in tables):
        return None
    return np.concatenate([table["framewise_displacement"].to_numpy(dtype=float) for table in tables])


def _planted(truth, tasks, ijk, frames):
    """What was planted in each voxel (K,) and frame (T,): its kind, None elsewhere. None for both without a truth."""
    import numpy as np

    from pydra_vae.bids.tables import read_table

    if truth is None:
        return None, None
    planted = read_table(truth)
    n_runs = int(frames["run"].max()) + 1
    if tasks is None or len(tasks) != n_runs:
        raise ValueError(
            f"{truth} names frames by task, but {0 if tasks is None else len(tasks)} tasks were given "
            f"for {n_runs} runs: give the task of each run"
        )
    in_voxels = planted[planted["i"].notna()]
    kinds = dict(zip(map(tuple, in_voxels[["i", "j", "k"]].astype(int).to_numpy()), in_voxels["kind"], strict=True))
    of_voxels = np.array([kinds.get(tuple(place)) for place in ijk.tolist()], dtype=object)
    in_frames = planted[planted["frame"].notna()]
    kinds = {(task, int(f)): k for task, f, k in zip(*(in_frames[c] for c in ("task", "frame", "kind")), strict=True)}
    pairs = zip(frames["run"], frames["frame"], strict=True)
    return of_voxels, np.array([kinds.get((tasks[run], frame)) for run, frame in pairs], dtype=object)


def _rows(kind, detectors, planted, used, seed):
    """One row a detector."""
    import numpy as np

    from pydra_vae.stats.outliers import THRESHOLD, auc

    known = planted is not None
    where = np.array([name is not None for name in planted]) if known else np.zeros(used.size, bool)
    rows = []
    for name, score in detectors.items():
        found = auc(score[used], where[used], seed)
        rows.append(
            {
                "kind": kind,
                "detector": name,
                "auc": found.value,
                "auc_low": found.low,
                "auc_high": found.high,
                "n": int(np.isfinite(score[used]).sum()),
                "n_planted": int(where[used].sum()) if known else np.nan,
                "n_flagged": int((score[used] > THRESHOLD).sum()),
                "threshold": THRESHOLD,
            }
        )
    return rows
