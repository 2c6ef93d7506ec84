"""StackFrames, NetworkMaps, TaskMaps, SpatialIca, CompareNetworks on a simulated run, and on a real one."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from pydra_vae.bids.tables import read_table, write_table
from pydra_vae.engine.step import call
from pydra_vae.simulate.geometry import network_name
from pydra_vae.simulate.networks import NetworkSize, simulate_networks
from pydra_vae.tasks.compare_networks import BEST, OVERLAP, CompareNetworks
from pydra_vae.tasks.fit_volume_pca import FitVolumePca
from pydra_vae.tasks.make_mask import MakeMask
from pydra_vae.tasks.mask_bold import MaskBold
from pydra_vae.tasks.network_maps import TASK, NetworkMaps
from pydra_vae.tasks.spatial_ica import SpatialIca
from pydra_vae.tasks.stack_frames import StackFrames
from pydra_vae.tasks.task_maps import TaskMaps
from pydra_vae.tasks.task_regressors import TaskRegressors
from pydra_vae.tasks.volume_pca_scores import VolumePcaScores

K = 8


def step(folder, task, **inputs):
    path = folder / f"{task.__name__}-{len(list(folder.iterdir()))}"
    path.mkdir()
    return call(task, cwd=path, **inputs)


def write_run(folder, series, weights=None, name="run"):
    """What MaskBold leaves of a (V, T) series."""
    weights = np.ones(series.shape[1], int) if weights is None else weights
    np.save(folder / f"{name}.npy", series.astype(np.float32))
    table = pd.DataFrame({"frame": range(len(weights)), "weight": weights, "reason": ""})
    (folder / f"{name}.json").write_text(json.dumps({"repetition_time": 2.0}))
    return folder / f"{name}.npy", write_table(folder / f"{name}.tsv", table), folder / f"{name}.json"


@pytest.fixture(scope="module")
def run():
    return simulate_networks(NetworkSize(12.0, 180, 2.0), seed=0)


@pytest.fixture(scope="module")
def made(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    mask = folder / "mask.nii.gz"
    nib.save(nib.Nifti1Image(run.geometry.brain.astype(np.uint8), run.geometry.affine), mask)
    networks = folder / "networks.nii.gz"
    nib.save(nib.Nifti1Image(run.geometry.volume(run.maps.T), run.geometry.affine), networks)
    rows = [{"onset": a, "duration": b, "trial_type": name} for name, times in run.events.items() for a, b, _ in times]
    events = write_table(folder / "events.tsv", sorted(rows, key=lambda row: row["onset"]))
    series, frames, info = write_run(folder, run.bold)
    stacked = step(folder, StackFrames, series=[series], frames=[frames], series_info=[info], mask=mask)
    data = {"volumes": stacked.volumes, "frame_split": stacked.frame_split}
    regressors = step(folder, TaskRegressors, events=[events], n_frames=180, t_r=2.0, high_pass=0, low_pass=0)
    pca = step(folder, FitVolumePca, volumes=stacked.volumes, volume_split=stacked.frame_split, n_components=12)
    scores = step(folder, VolumePcaScores, volumes=stacked.volumes, pca=pca.pca, n_components=K)
    return {
        "folder": folder,
        "mask": mask,
        "networks": networks,
        "names": write_table(folder / "names.tsv", [{"index": i, "name": n} for i, n in enumerate(run.names)]),
        "data": data,
        "info": stacked.info,
        "regressors": [regressors.regressors],
        "pca": pca.pca,
        "scores": scores.scores,
        "ica": step(folder, SpatialIca, **data, pca=pca.pca, n_components=K),
    }


def test_frames_stand_in_blocks_scaled_by_training_frames(made, run):
    x, split = np.load(made["data"]["volumes"]), read_table(made["data"]["frame_split"])
    assert x.shape == (180, len(run.bold)) and x.dtype == np.float32
    assert split["label"][0] == "run-1_frame-0000" and split["label"].is_unique
    assert (split.groupby("person")["part"].nunique() == 1).all(), "a block lies in one part"
    assert (split.groupby("person")["frame"].agg(np.ptp) <= 9).all()
    assert split.groupby("part")["person"].nunique().to_dict() == {"train": 12, "validation": 2, "test": 4}
    train = (split["part"] == "train").to_numpy()
    np.testing.assert_allclose(x[train].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x[train].std(axis=0), 1, atol=1e-4)
    info = json.loads(made["info"].fspath.read_text())
    assert info["n_images"] == 180 and info["unit"] == "z" and info["shape"] == list(run.geometry.brain.shape)


def test_test_frames_change_nothing_in_training(made, run, tmp_path):
    split = read_table(made["data"]["frame_split"])
    test = (split["part"] == "test").to_numpy()
    changed = run.bold.copy()
    changed[:, test] *= 3
    series, frames, info = write_run(tmp_path, changed)
    again = step(tmp_path, StackFrames, series=[series], frames=[frames], series_info=[info])
    before = np.load(made["data"]["volumes"])
    np.testing.assert_array_equal(np.load(again.volumes)[~test], before[~test])


def test_censored_frames_are_left_out_and_runs_follow_one_another(tmp_path):
    rng = np.random.default_rng(0)
    weights = np.ones(60, int)
    weights[[0, 1, 30]] = 0
    one = write_run(tmp_path, 100 + rng.normal(size=(20, 60)), weights, "one")
    other = np.vstack([50 + rng.normal(size=(19, 40)), np.full((1, 40), 3.0)])
    two = write_run(tmp_path, other, name="two")
    lists = {"series": [one[0], two[0]], "frames": [one[1], two[1]], "series_info": [one[2], two[2]]}
    out = step(tmp_path, StackFrames, **lists)
    split, x = read_table(out.frame_split), np.load(out.volumes)
    assert split.groupby("run").size().to_dict() == {1: 57, 2: 40} and 30 not in set(split["frame"][split["run"] == 1])
    assert abs(x[57:, :19].mean()) < 0.3 and not x[57:, 19].any()
    info = json.loads(out.info.fspath.read_text())
    assert info["n_censored"] == 3 and info["n_constant_voxels"] == 1


def test_what_cannot_be_stacked_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    short = write_run(tmp_path, rng.normal(size=(5, 18)))
    with pytest.raises(ValueError, match=r"run.npy has 2 block\(s\) of 20 s .* shorten block_seconds"):
        step(tmp_path, StackFrames, series=[short[0]], frames=[short[1]], series_info=[short[2]])
    long = write_run(tmp_path, rng.normal(size=(6, 60)), name="other")
    with pytest.raises(ValueError, match=r"other.npy has the shape \(6, 60\), but .*: runs of one mask"):
        lists = {"series": [short[0], long[0]], "frames": [short[1], long[1]], "series_info": [short[2], long[2]]}
        step(tmp_path, StackFrames, **lists)
    still = write_run(tmp_path, np.ones((5, 60)), name="still")
    with pytest.raises(ValueError, match=r"no voxel of .*still\.npy varies over the training frames"):
        step(tmp_path, StackFrames, series=[still[0]], frames=[still[1]], series_info=[still[2]])


def test_planted_networks_come_out_of_spatial_ica_better_than_of_pca(made, tmp_path):
    inputs = {"maps": [], "names": []}
    for name, latents in (("ICA", made["ica"].latents), ("PCA", made["scores"])):
        inputs["maps"].append(step(tmp_path, NetworkMaps, **made["data"], latents=latents, model=name).maps)
        inputs["names"].append(name)
    found = step(
        tmp_path,
        CompareNetworks,
        **inputs,
        mask=made["mask"],
        reference=made["networks"],
        labels=made["names"],
        n_null=99,
    )
    best, overlap = read_table(found.best), read_table(found.overlap)
    assert tuple(best) == BEST and tuple(overlap) == OVERLAP and len(overlap) == 2 * K * 6
    mean = best.assign(r=best["r"].abs()).groupby("model")["r"].mean()
    assert mean["ICA"] > 0.75 and mean["ICA"] > mean["PCA"] + 0.05
    assert (best["p_best"][best["model"] == "ICA"] < 0.05).all() and (best["r_all"] > best["r_all_null"]).all()
    assert best.groupby("model")["component_one_to_one"].nunique().tolist() == [6, 6]
    assert overlap["dice"].between(0, 1).all()


def test_courses_follow_the_conditions_that_drive_them(made, run, tmp_path):
    out = step(
        tmp_path, NetworkMaps, **made["data"], latents=made["ica"].latents, regressors=made["regressors"], model="ICA"
    )
    task, courses = read_table(out.task), read_table(out.courses)
    assert tuple(task) == TASK and set(task["condition"]) == {"any condition", "faces", "houses"}
    for condition in ("faces", "houses"):
        own = task[task["condition"] == condition]
        strongest = own.loc[own["r"].abs().idxmax()]
        assert abs(strongest["r"]) > 0.8 and strongest["p_any"] < 0.05
        assert own["chance"].iloc[0] < abs(strongest["r"])
        value = courses["value"][courses["component"] == strongest["component"]].to_numpy()
        planted = run.courses[run.conditions.index(condition)]
        assert abs(np.corrcoef(value, planted)[0, 1]) > 0.8
    assert courses.groupby("component")["value"].std(ddof=0).to_numpy() == pytest.approx(1)


def test_without_events_or_reference_tables_have_a_header_only(made, tmp_path):
    out = step(tmp_path, NetworkMaps, **made["data"], latents=made["scores"])
    assert read_table(out.task).empty and tuple(read_table(out.task)) == TASK
    none = step(tmp_path, CompareNetworks, maps=[out.maps], names=["PCA"], mask=made["mask"])
    assert read_table(none.best).empty and tuple(read_table(none.overlap)) == OVERLAP


def test_task_maps_show_the_networks_that_follow_a_condition(made, run, tmp_path):
    out = step(tmp_path, TaskMaps, **made["data"], regressors=made["regressors"])
    assert read_table(out.names)["name"].tolist() == ["any condition", "faces", "houses"]
    r = np.corrcoef(np.load(out.maps), run.maps)[:3, 3:]
    assert r[1].argmax() == 0 and r[2].argmax() == 1 and r[1, 0] > 0.6 and r[2, 1] > 0.6
    own = {"maps": [made["ica"].maps], "names": ["ICA"], "mask": made["mask"], "reference": out.maps, "n_null": 19}
    found = step(tmp_path, CompareNetworks, **own, labels=out.names, same_frames=True)
    best, overlap = read_table(found.best), read_table(found.overlap)
    assert best[["p_best", "p_all", "r_all_null"]].isna().all(axis=None) and overlap["p"].isna().all()
    assert best["r"].abs().min() > 0.5 and best["r_all"].notna().all()


def test_ica_of_latents_cuts_up_what_the_latents_span(made, run, tmp_path):
    mixed = run.courses.T @ np.random.default_rng(0).normal(size=(6, 6))
    np.save(tmp_path / "mixed.npy", mixed.astype(np.float32))
    out = step(tmp_path, SpatialIca, **made["data"], latents=tmp_path / "mixed.npy")
    maps, courses = np.load(out.maps), np.load(out.latents)
    r = np.abs(np.corrcoef(maps, run.maps)[:6, 6:])
    assert sorted(r.argmax(axis=0).tolist()) == list(range(6)) and r.max(axis=0).min() > 0.7
    own = [np.corrcoef(courses[:, i], course)[0, 1] for i, course in zip(r.argmax(axis=0), run.courses, strict=True)]
    assert np.abs(own).min() > 0.9, "the courses that were mixed"
    train = (read_table(made["data"]["frame_split"])["part"] == "train").to_numpy()
    np.testing.assert_allclose(courses[train].std(axis=0), 1, rtol=1e-4)
    assert (maps[np.arange(6), np.abs(maps).argmax(axis=1)] > 0).all()
    stability = read_table(out.stability)
    assert stability["model"][0] == "ICA of latents" and stability["kept"].sum() == 1


def test_label_images_count_parcels_of_one_network_as_one(made, run, tmp_path):
    geometry = run.geometry
    dseg = tmp_path / "dseg.nii.gz"
    nib.save(nib.Nifti1Image(geometry.volume(geometry.parcel).astype(np.int16), geometry.affine), dseg)
    owners = [network_name(n) for n in geometry.network[1:]]
    rows = [{"index": i + 1, "name": geometry.names[i], "network": owner} for i, owner in enumerate(owners)]
    inputs = {"maps": [made["ica"].maps], "names": ["ICA"], "mask": made["mask"], "reference": dseg, "n_null": 19}
    found = step(tmp_path, CompareNetworks, **inputs, labels=write_table(tmp_path / "dseg.tsv", rows))
    best = read_table(found.best).set_index("network")
    assert len(best) == 17 and best["r"].abs()[list(run.names)].mean() > 0.4
    assert best["r"].abs()[list(run.names)].mean() > best["r"].abs().drop(list(run.names)).mean() + 0.1


def test_mistakes_are_named(made, tmp_path):
    with pytest.raises(ValueError, match="give either a PCA"):
        step(tmp_path, SpatialIca, **made["data"])
    with pytest.raises(ValueError, match="has 12 components and 40 were asked for"):
        step(tmp_path, SpatialIca, **made["data"], pca=made["pca"], n_components=40)
    np.save(tmp_path / "short.npy", np.zeros((7, 3), np.float32))
    with pytest.raises(ValueError, match=r"frame_split.tsv lists 180 frames but there are values for 7"):
        step(tmp_path, NetworkMaps, **made["data"], latents=tmp_path / "short.npy")
    with pytest.raises(ValueError, match=r"short.npy has the shape \(7, 3\), but .*voxels"):
        step(
            tmp_path, CompareNetworks, maps=[tmp_path / "short.npy"], names=["a"], mask=made["mask"],
            reference=made["networks"],
        )  # fmt: skip
    with pytest.raises(ValueError, match="2 tables of regressors but 1 runs"):
        step(tmp_path, NetworkMaps, **made["data"], latents=made["scores"], regressors=made["regressors"] * 2)


def test_networks_of_a_real_run_show_its_task(shared_data, tmp_path):
    func = shared_data / "derivatives" / "studyforrest" / "sub-02" / "func"
    stem = func / "sub-02_task-oneback_run-1"
    bold, brain = f"{stem}_space-T1w_desc-preproc_bold.nii.gz", f"{stem}_space-T1w_desc-brain_mask.nii.gz"
    mask = step(tmp_path, MakeMask, bolds=[bold], brain_masks=[brain])
    series = step(tmp_path, MaskBold, bold=bold, mask=mask.mask, high_pass=1 / 128)
    stacked = step(
        tmp_path, StackFrames, series=[series.series], frames=[series.frames], series_info=[series.info], mask=mask.mask
    )
    data = {"volumes": stacked.volumes, "frame_split": stacked.frame_split}
    task = {"events": [f"{stem}_events.tsv"], "n_frames": 156, "t_r": 2.0, "high_pass": 1 / 128, "low_pass": 0}
    regressors = step(tmp_path, TaskRegressors, **task).regressors
    pca = step(tmp_path, FitVolumePca, volumes=stacked.volumes, volume_split=stacked.frame_split, n_components=12).pca
    ica = step(tmp_path, SpatialIca, **data, pca=pca, n_components=12, n_restarts=1)
    maps = step(tmp_path, NetworkMaps, **data, latents=ica.latents, model="ICA-12")
    known = step(tmp_path, TaskMaps, **data, regressors=[regressors])
    found = step(
        tmp_path, CompareNetworks, maps=[maps.maps], names=["ICA-12"], mask=mask.mask, reference=known.maps,
        labels=known.names, n_null=99,
    )  # fmt: skip
    best = read_table(found.best).set_index("network").loc["any condition"]
    assert abs(best["r"]) > 0.8 and best["dice"] > 0.7 and best["p_best"] <= 0.02
