"""Identify, ScoreMantel, GroupStatistics and IntersubjectCorrelation, from file to file."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform

from pydra_vae.engine.step import call
from pydra_vae.stats.pca import fit_pca
from pydra_vae.tasks._io import save_controls
from pydra_vae.tasks.group_statistics import GroupStatistics
from pydra_vae.tasks.identify import Identify
from pydra_vae.tasks.intersubject import IntersubjectCorrelation
from pydra_vae.tasks.score_mantel import ScoreMantel

from .group_files import save, write_space

N, P = 8, 30
LABELS = [f"sub-{n + 1:02d}" for n in range(N)]


def write_distances(folder, rng, latent, drop=()):
    """Distances between all but some parcels, in random order, and their table."""
    folder.mkdir(parents=True, exist_ok=True)
    order = rng.permutation(np.setdiff1d(np.arange(P), drop))
    table = folder / "parcels.tsv"
    pd.DataFrame({"parcel": order + 1}).to_csv(table, sep="\t", index=False)
    return save(folder / "distances.npy", squareform(pdist(latent[order]))), table


def write_halves(folder, rng, individual=1.0):
    common = rng.normal(size=(P, 4))
    files = {"first": [], "second": [], "parcels": []}
    for n in range(N):
        own = common + individual * rng.normal(size=(P, 4))
        for half in ("first", "second"):
            state = np.random.default_rng(n)  # the same parcels in the same order in both halves
            path, table = write_distances(
                folder / f"{n}" / half, state, own + 0.3 * rng.normal(size=(P, 4)), drop=[n]
            )
            files[half].append(path)
        files["parcels"].append(table)
    return files


def test_identification_on_the_parcels_that_all_have(tmp_path):
    files = write_halves(tmp_path / "in", np.random.default_rng(0))
    controls = {"control_first": files["second"], "control_second": files["second"], "control": "itself"}
    out = call(Identify, cwd=tmp_path / "out", labels=LABELS, **files, **controls, n_permutations=200)
    found = pd.read_csv(out.identification, sep="\t").set_index("method")
    assert list(found.index) == ["latent distances", "control: itself"]
    assert found["accuracy"].tolist() == [1.0, 1.0] and found["self_r"].tolist()[1] == pytest.approx(1)
    assert found["p"].to_numpy() == pytest.approx(1 / 201) and set(found["n"]) == {N}
    matrix = pd.read_csv(out.matrix, sep="\t").pivot(index="first", columns="second", values="r")
    assert matrix.shape == (N, N) and (np.diag(matrix) > matrix.to_numpy().mean() + 0.1).all()


def test_identification_messages(tmp_path):
    files = write_halves(tmp_path / "in", np.random.default_rng(1))
    one = {name: values[:1] for name, values in files.items()}
    for inputs, message in (
        ({"labels": ["sub-01"], **one}, "identification needs at least two subjects and there is 1"),
        ({"labels": LABELS, **files, "persons": ["a"] * N}, "at least two persons, and all recordings are of one"),
        ({"labels": LABELS, **files | {"second": one["second"]}}, "8 labels but 1 second"),
        ({"labels": LABELS, **files, "control_first": files["first"]}, "give control_first and control_second"),
    ):
        with pytest.raises(ValueError, match=message):
            call(Identify, cwd=tmp_path / "out", **inputs)
    pd.DataFrame({"parcel": np.arange(P - 1) + 500}).to_csv(files["parcels"][3], sep="\t", index=False)
    with pytest.raises(ValueError, match="share 0 parcels and at least 10 are needed"):
        call(Identify, cwd=tmp_path / "out", labels=LABELS, **files)


def write_scores(folder, rng):
    trait = np.linspace(-1, 1, N)
    base, bend = rng.normal(size=(2, P, 4))
    files = {"distances": [], "parcels": []}
    for n in range(N):
        latent = base + 0.8 * trait[n] * bend + 0.1 * rng.normal(size=(P, 4))
        for name, path in zip(files, write_distances(folder / f"{n}", rng, latent, drop=[n]), strict=True):
            files[name].append(path)
    table = pd.DataFrame({"participant_id": LABELS, "score": trait, "sex": "F"})
    table.to_csv(folder / "participants.tsv", sep="\t", index=False)
    return files | {"participants": folder / "participants.tsv", "score": "score"}


def test_a_planted_score_is_found_and_missing_ones_are_left_out(tmp_path):
    files = write_scores(tmp_path / "in", np.random.default_rng(0))
    run = {**files, "labels": LABELS, "n_permutations": 500, "controls": files["distances"]}
    found = pd.read_csv(call(ScoreMantel, cwd=tmp_path / "out", **run).mantel, sep="\t")
    assert found["measure"].tolist() == ["latent distances", "control: pca distances"]
    assert found["r"][0] > 0.8 and found["p"][0] == pytest.approx(found["p_smallest"][0]) == pytest.approx(1 / 501)
    table = pd.read_csv(files["participants"], sep="\t")
    table.loc[2, "score"] = np.nan
    table.to_csv(files["participants"], sep="\t", index=False, na_rep="n/a")
    # two recordings of each of four persons, under the labels of persons
    twice = run | {"labels": [label for label in LABELS[:4] for _ in range(2)]}
    found = pd.read_csv(call(ScoreMantel, cwd=tmp_path / "twice", **twice).mantel, sep="\t", na_values="n/a")
    assert (found["n"][0], found["left_out"][0]) == (3, "sub-03")
    assert found["p_smallest"][0] == pytest.approx(1 / 6)
    two = {name: value[:2] if isinstance(value, list) else value for name, value in run.items()}
    found = pd.read_csv(call(ScoreMantel, cwd=tmp_path / "two", **two).mantel, sep="\t", na_values="n/a")
    assert found["n"][0] == 2 and np.isnan(found["r"][0]) and np.isnan(found["p"][0])


def test_score_messages(tmp_path):
    run = write_scores(tmp_path / "in", np.random.default_rng(1)) | {"labels": LABELS}
    for change, message in (
        ({"score": "iq"}, "no column 'iq', only participant_id, score, sex"),
        ({"score": "sex"}, "sex of sub-01 is 'F', not a number"),
        ({"labels": [*LABELS[:-1], "sub-99"]}, "no row for sub-99"),
        ({"labels": LABELS[:1]}, "needs at least two subjects and there is 1"),
    ):
        with pytest.raises(ValueError, match=message):
            call(ScoreMantel, cwd=tmp_path / "out", **run | change)


def metrics(n, gain=5.0):
    rng = np.random.default_rng(0)
    rows = []
    for person in range(n):
        for split in ("random", "blocked"):
            error = 0.01 + 0.001 * rng.random()
            for model, extra in (("cvae", 0.0), ("pca-9 = ica-9", 0.002), ("shrinkage", 0.0), ("input", np.nan)):
                tsnr = np.nan if split == "blocked" or model == "input" else gain + rng.normal() - 3 * (model != "cvae")
                rows.append({
                    "participant_id": f"sub-{person:02d}", "split": split, "model": model, "mse_test": error + extra,
                    "r2": 1 - 10 * (error + extra), "gain_mean": tsnr,
                    "r_clean_mean": 0.5 + 0.1 * (model == "cvae") + 0.01 * rng.random(),
                })  # fmt: skip
    return pd.DataFrame(rows)


def test_group_statistics_count_persons(tmp_path):
    table = metrics(6)
    table.to_csv(tmp_path / "metrics.tsv", sep="\t", index=False, na_rep="n/a")
    found = pd.read_csv(call(GroupStatistics, cwd=tmp_path / "1", metrics=tmp_path / "metrics.tsv").tests, sep="\t")
    first = found.iloc[0]
    assert (first["test"], first["measure"], first["n"]) == ("cvae vs raw", "tsnr gain (%)", 6)
    assert first["p"] == first["p_smallest"] == 2 / 64 and "cannot give less than 0.031" in first["text"]
    error = found[(found["measure"] == "mse (test voxels)") & found["test"].str.contains("pca")]
    assert list(error["split"]) == ["random", "blocked"]
    assert error["mean_difference"].to_numpy() == pytest.approx(-0.002) and (error["effect"] == -1).all()
    assert "cvae vs raw" in set(found[found["measure"] == "r with planted signal"]["test"])
    runs = pd.concat([table.assign(participant_id=table["participant_id"] + f"_run-{r}") for r in (1, 2)])
    runs.to_csv(tmp_path / "runs.tsv", sep="\t", index=False, na_rep="n/a")
    again = pd.read_csv(call(GroupStatistics, cwd=tmp_path / "2", metrics=tmp_path / "runs.tsv").tests, sep="\t")
    assert again["n"].tolist() == found["n"].tolist() and again["p"].to_numpy() == pytest.approx(found["p"])
    metrics(1).to_csv(tmp_path / "metrics.tsv", sep="\t", index=False, na_rep="n/a")
    with pytest.raises(ValueError, match="group statistics needs at least two subjects"):
        call(GroupStatistics, cwd=tmp_path / "3", metrics=tmp_path / "metrics.tsv")


def test_subjects_against_their_own_second_fit(tmp_path):
    metrics(4).to_csv(tmp_path / "metrics.tsv", sep="\t", index=False, na_rep="n/a")
    pairs = [
        {"first": f"sub-{a:02d}", "second": f"sub-{b:02d}", "representation": "cvae",
         "relation": "same subject, other seed" if a == b else "subjects",
         "disparity": 0.1 if a == b else 0.6, "r_distances": 0.9 if a == b else 0.5}
        for a in range(4) for b in range(a, 4)
    ]  # fmt: skip
    pd.DataFrame(pairs).to_csv(tmp_path / "pairs.tsv", sep="\t", index=False)
    inputs = {"metrics": tmp_path / "metrics.tsv", "pairs": tmp_path / "pairs.tsv"}
    found = pd.read_csv(call(GroupStatistics, cwd=tmp_path / "out", **inputs).tests, sep="\t")
    found = found[found["test"] == "other subjects vs own other seed"].set_index("measure")
    assert found["mean_difference"].to_dict() == pytest.approx({"disparity, cvae": 0.5, "r_distances, cvae": -0.4})
    assert (found["n"] == 4).all() and (found["p"] == 2 / 16).all()


def write_series(folder, rng, n=4, share=0.5):
    shape, t = (8, 8, 8), 100
    common = rng.normal(size=(int(np.prod(shape)), t))
    files = {name: [] for name in ["series", "reconstructions", "frames", "voxels", "scalings", "masks", "controls"]}
    for s in range(n):
        space = write_space(folder / f"{s}", shape, drop=rng.permutation(np.prod(shape))[: 5 * s])
        x = (np.sqrt(share) * common + np.sqrt(1 - share) * rng.normal(size=common.shape))[space.kept]
        # the last frames of one subject are censored, and wild
        weight = np.ones(t, int)
        if s == n - 1:
            weight[90:] = 0
            x[:, 90:] = 1e4
        files["series"].append(save(folder / f"{s}" / "scaled.npy", x))
        files["reconstructions"].append(save(folder / f"{s}" / "decoded.npy", common[space.kept]))
        files["frames"].append(folder / f"{s}" / "frames.tsv")
        pd.DataFrame({"run": 0, "frame": np.arange(t), "weight": weight}).to_csv(files["frames"][-1], sep="\t")
        for name, path in (("voxels", space.voxels), ("scalings", space.scaling), ("masks", space.mask)):
            files[name].append(path)
        files["controls"].append(save_controls(folder / f"{s}" / "c.safetensors", [fit_pca(x[:, :100], 4)], 4))
    return files | {"labels": LABELS[:n]}


def test_intersubject_correlation_by_network_beside_its_control(tmp_path):
    files = write_series(tmp_path / "in", np.random.default_rng(0))
    found = pd.read_csv(call(IntersubjectCorrelation, cwd=tmp_path / "out", **files).isc, sep="\t", na_values="n/a")
    isc = found.pivot(index="network", columns="model", values="isc")
    assert list(isc.index) == ["N0", "N1", "N2", "all"]
    assert set(isc) == {"raw", "raw (shifted)", "cvae", "cvae (shifted)", "pca", "pca (shifted)"}
    assert isc["raw"].to_numpy() == pytest.approx(0.5 / np.sqrt(0.5 + 0.5 / 3), abs=0.03)
    assert isc["cvae"].to_numpy() == pytest.approx(1, abs=1e-5)
    assert abs(isc["raw (shifted)"]["all"]) < 0.03
    assert (found["n_subjects"] == 4).all() and found["left_out"].isna().all()


def test_runs_of_another_task_are_left_out(tmp_path):
    files = write_series(tmp_path / "in", np.random.default_rng(2))
    labels = [f"sub-0{s}_task-{task}" for s, task in ((1, "story"), (1, "rest"), (2, "story"), (2, "film"))]
    given = files | {"labels": labels, "persons": ["sub-01", "sub-01", "sub-02", "sub-02"]}
    found = pd.read_csv(call(IntersubjectCorrelation, cwd=tmp_path / "out", **given).isc, sep="\t")
    assert set(found["left_out"]) == {"sub-01_task-rest sub-02_task-film"} and set(found["n_subjects"]) == {2}


def test_recordings_of_other_length_are_left_out(tmp_path):
    from pydra_vae.stats.normalise import Scaling

    files = write_series(tmp_path / "in", np.random.default_rng(1))
    files.pop("controls")
    for s, lengths in ((0, [60, 40]), (1, [60, 40])):
        scaling = Scaling.load(files["scalings"][s])
        Scaling(**vars(scaling) | {"lengths": np.array(lengths), "baseline": np.tile(scaling.baseline, 2)}).save(
            files["scalings"][s]
        )
    found = pd.read_csv(call(IntersubjectCorrelation, cwd=tmp_path / "1", **files).isc, sep="\t")
    assert set(found["left_out"]) == {"sub-03 sub-04"} and set(found["n_subjects"]) == {2}
    persons = {"persons": ["a", "a", "b", "b"]}
    assert pd.read_csv(call(IntersubjectCorrelation, cwd=tmp_path / "2", **files, **persons).isc, sep="\t").empty
