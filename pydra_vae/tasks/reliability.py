"""Does denoising one half of a recording tell more about the other half than the raw data do?"""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"reliability": File})
def Reliability(
    first: File,
    second: File,
    reconstruction: File,
    controls: File,
    first_frames: File,
    second_frames: File,
    voxels: File,
    scaling: File,
    mask: File,
    events: list[File | None] | None = None,
    lengths: list[int] | None = None,
    t_r: float | None = None,
    smoothing_fwhm: float | None = None,
    n_voxels: int = 1000,
    seed: int = 0,
):
    """Compare maps of the denoised first half with those of the raw second half.

    The model and the PCAs were fitted to the first half alone, and the second is never denoised: two halves that are
    denoised by one fit share its code, and agree by that (.95 where .75 is true). Raw against raw stands first: a
    model is worth its while where it lies above. Where there are events, maps are effects of the task (nilearn's
    responses, drifts slower than 128 s removed, least squares) in units of the raw half's standard deviation;
    always, correlations between places more than 20 mm apart (parcels: their centres, so neighbours can touch).

    Parameters
    ----------
    first, second : file
        (K, T1) and (K, T2) raw series of the halves (HalveSeries).
    reconstruction : file
        (K, T1) reconstruction of the first half by a model fitted to it (Reconstruct).
    controls : file
        PCAs fitted to the first half (FitControls).
    first_frames, second_frames : file
        Tables of frames of the halves (HalveSeries); frames of weight 0 do not count.
    voxels, scaling, mask : file
        Of MakeMask and Normalize.
    events : list of file, optional
        BIDS tables of events, one a run: onset, duration, trial_type. A run without events can be None.
    lengths : list of int, optional
        Frames of each run, to check the events against; what the tables of frames list by default.
    t_r : float, optional
        Repetition time in seconds; needed with events.
    smoothing_fwhm : float, optional
        Of the smoothing control, in mm; 6, or two voxels where they are larger than 3 mm.
    n_voxels : int
        Voxels between which correlations are taken.
    seed : int
        Of the choice of those voxels.

    Returns
    -------
    reliability : file
        TSV: measure, model, r, n, fwhm_mm. Measures: "glm" (mean of the conditions against rest), "glm conditions"
        (each against their mean), "connectivity > 20 mm" (n pairs of voxels), "connectivity of parcels > 20 mm" (of an
        atlas, else of 24 mm cubes). Models: raw, smoothing, cvae, PCAs.
    """
    import numpy as np

    from pydra_vae.bids.tables import read_table, write_table
    from pydra_vae.stats import halves
    from pydra_vae.stats.parcels import centroids, parcels_or_blocks
    from pydra_vae.stats.reconstruction import random_voxels
    from pydra_vae.tasks._io import control_name, load_array, load_controls, read_weights
    from pydra_vae.tasks._space import Space

    x, y, decoded = load_array(first), load_array(second), load_array(reconstruction)
    if decoded.shape != x.shape or len(y) != len(x):
        raise ValueError(
            f"the halves have the shapes {x.shape} and {y.shape} but the reconstruction {decoded.shape}: "
            "it must be that of the first half"
        )
    weights = read_weights(first_frames, x.shape[1]), read_weights(second_frames, y.shape[1])
    tables = read_table(first_frames), read_table(second_frames)
    pcas = load_controls(controls)
    place = Space.load(Path(voxels), Path(scaling), Path(mask))
    fwhm = max(6.0, 2 * float(place.voxel_mm.max())) if smoothing_fwhm is None else smoothing_fwhm
    smooth = halves.smoother(place.mm, fwhm)
    # series, what is done to their rows, what is done to maps of them
    models = {"raw": (x, None, None), "smoothing": (x, None, smooth), "cvae": (decoded, None, None)}
    models |= {control_name(k, next(iter(pcas))): (x, pca.reconstruct, None) for k, pca in pcas.items()}

    found = []
    designs = _designs(events, tables, weights, lengths, t_r)
    if designs is not None:
        found += _task_maps(models, (x, y), weights, designs)
    chosen, parcel = np.zeros(len(x), int), parcels_or_blocks(place.parcel, place.mm)
    chosen[random_voxels(len(x), seed, n_voxels)] = np.arange(1, min(n_voxels, len(x)) + 1)
    for measure, members in (
        ("connectivity > 20 mm", chosen),
        ("connectivity of parcels > 20 mm", parcel),
    ):
        pairs = halves.far_pairs(centroids(place.mm, members))
        found += _connectivity(measure, halves.averages(members), pairs, models, y, weights, tables)
    rows = [row | {"fwhm_mm": fwhm if row["model"] == "smoothing" else np.nan} for row in found]
    return write_table(Path("reliability.tsv"), rows)


def _task_maps(models, raw, weights, designs):
    """Rows of the task's maps: effects on the denoised first half against those on the raw second."""
    import numpy as np

    from pydra_vae.stats.glm import effects, temporal_sd

    estimators, present = zip(*designs, strict=True)
    common = np.logical_and(*present)
    if not common.any():
        return []
    before, after = ((e[common], temporal_sd(x, w)[:, None]) for e, x, w in zip(estimators, raw, weights, strict=True))
    second = effects(raw[1], after[0]) / after[1]
    rows = []
    for model, (series, transform, smooth) in models.items():
        first = effects(series, before[0], transform)
        first = (first if smooth is None else smooth @ first) / before[1]
        rows.append(_row("glm", model, first.mean(axis=1), second.mean(axis=1)))
        if common.sum() > 1:
            each = [effect - effect.mean(axis=1, keepdims=True) for effect in (first, second)]
            rows.append(_row("glm conditions", model, *(effect.ravel() for effect in each)))
    return sorted(rows, key=lambda row: row["measure"])


def _connectivity(measure, units, pairs, models, second, weights, tables):
    """Rows of one measure of connectivity."""
    import numpy as np

    from pydra_vae.stats.connectivity import connectivity
    from pydra_vae.stats.halves import unit_series
    from pydra_vae.stats.samples import centred

    lengths = [table["run"].value_counts(sort=False).sort_index().to_numpy() for table in tables]
    used = [w.astype(bool) for w in weights]

    def between(half, x, to_units, transform=None):
        series = centred(unit_series(x, to_units, transform), used[half], lengths[half])
        return connectivity(series, weights[half])[pairs]

    wanted = between(1, second, units)
    rows = []
    for model, (x, transform, smooth) in models.items():
        to_units = units if smooth is None else units @ smooth
        rows.append(_row(measure, model, between(0, x, to_units, transform), np.asarray(wanted)))
    return rows


def _row(measure, model, first, second):
    """Pearson's r of two maps over places where both are defined; n/a with fewer than three."""
    import numpy as np

    both = np.isfinite(first) & np.isfinite(second)
    enough = both.sum() > 2 and first[both].std() > 0 and second[both].std() > 0
    r = float(np.corrcoef(first[both], second[both])[0, 1]) if enough else np.nan
    return {"measure": measure, "model": model, "r": r, "n": int(both.sum())}


def _designs(events, tables, weights, lengths, t_r):
    """What estimates the conditions' effects in each half, (estimator, present) each; None without events."""
    import numpy as np

    from pydra_vae.stats.glm import joint_design

    n_runs = 1 + int(max(table["run"].max() for table in tables))
    lengths = lengths or [int(max(_last(table, run) for table in tables)) + 1 for run in range(n_runs)]
    events = list(events or [None] * n_runs)
    if len(events) != n_runs or len(lengths) != n_runs:
        raise ValueError(
            f"{len(events)} tables of events and {len(lengths)} lengths were given for {n_runs} runs: give one for "
            "each run, in the order in which they were joined"
        )
    if all(path is None for path in events):
        return None
    if not t_r:
        raise ValueError("events are in seconds but no repetition time was given: give t_r")
    read = [None if path is None else _read_events(path) for path in events]
    names = sorted({name for table in read if table is not None for name in table["trial_type"]})
    responses = [_responses(table, names, n, t_r) for table, n in zip(read, lengths, strict=True)]
    designs = []
    for table, weight in zip(tables, weights, strict=True):
        parts = [table.loc[table["run"] == run, "frame"].to_numpy() for run in sorted(set(table["run"]))]
        conditions = [responses[run][part] for run, part in zip(sorted(set(table["run"])), parts, strict=True)]
        designs.append(joint_design(conditions, [_drifts(part * t_r) for part in parts], np.asarray(weight)))
    return designs


def _last(table, run):
    return table.loc[table["run"] == run, "frame"].max() if (table["run"] == run).any() else -1


def _read_events(path):
    """Onset, duration and trial_type of a BIDS table of events."""
    from pydra_vae.bids.tables import read_table

    table = read_table(path)
    missing = {"onset", "duration"} - set(table)
    if missing:
        raise ValueError(f"{path} has no column {' and no column '.join(sorted(missing))}: is it a table of events?")
    table = table.assign(trial_type=table["trial_type"].fillna("event") if "trial_type" in table else "event")
    return table[["onset", "duration", "trial_type"]].dropna()


def _responses(table, names, n_frames, t_r):
    """Expected response to each condition in one run, (T_run, C); 0 for conditions that it does not have."""
    import numpy as np
    from nilearn.glm.first_level import make_first_level_design_matrix

    found = np.zeros((n_frames, len(names)))
    if table is None or table.empty:
        return found
    # numbers as names, so that nilearn need not make column names of them
    coded = table.assign(trial_type=[f"c{names.index(name)}" for name in table["trial_type"]])
    design = make_first_level_design_matrix(np.arange(n_frames) * t_r, coded, hrf_model="spm", drift_model=None)
    for column in design:
        if column.startswith("c") and column[1:].isdigit():
            found[:, int(column[1:])] = design[column]
    return found


def _drifts(times):
    """Cosines slower than 128 s and a constant, (T_part, N)."""
    from nilearn.glm.first_level import make_first_level_design_matrix

    return make_first_level_design_matrix(times, drift_model="cosine", high_pass=1 / 128).to_numpy()
