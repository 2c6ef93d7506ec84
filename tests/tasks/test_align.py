"""Align, from file to file: planted common spaces, floors, nulls, and subjects that share nothing but smoothness."""

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import ortho_group

from pydra_vae.engine.step import call
from pydra_vae.tasks.align import Align

from .group_files import save, write_space

D = 4
SHAPE = (16, 18, 14)


def fields(rng, n=D, sd=1.5):
    wide = [s + 12 for s in SHAPE]
    maps = [gaussian_filter(rng.normal(size=wide), sd)[6:-6, 6:-6, 6:-6] for _ in range(n)]
    return np.stack([m.reshape(-1) / m.std() for m in maps], axis=1)


def write_group(folder, rng, n, common=1.0, own=0.5, seeds=0.1):
    """n subjects: a common smooth space, an own part, rotated at random; a second fit of each differs by noise."""
    shared = fields(rng)
    files = {"latents": [], "other_seed": [], "voxels": [], "scalings": [], "masks": []}
    for s in range(n):
        space = write_space(folder / f"{s}", SHAPE, drop=rng.permutation(np.prod(SHAPE))[: 20 * s])
        z = common * shared + own * fields(rng)
        for name in ("latents", "other_seed"):
            turned = (z + seeds * fields(rng)) @ ortho_group.rvs(D, random_state=rng)
            files[name].append(save(folder / f"{s}" / f"{name}.npy", turned[space.kept]))
        files["voxels"].append(space.voxels)
        files["scalings"].append(space.scaling)
        files["masks"].append(space.mask)
    return files | {"labels": [f"sub-{s + 1:02d}" for s in range(n)]}


def tables(out):
    return [pd.read_csv(path, sep="\t") for path in (out.pairs, out.nulls, out.template)]


def test_models_that_agree_where_they_were_trained_are_compared_elsewhere(tmp_path):
    rng = np.random.default_rng(3)
    files = write_group(tmp_path / "in", rng, 2)
    files.pop("other_seed")
    held_out = rng.random(len(np.load(files["latents"][0]))) < 0.3
    z = rng.normal(size=(2, len(held_out), D))
    files |= {"voxels": files["voxels"][:1] * 2, "scalings": files["scalings"][:1] * 2, "masks": files["masks"][:1] * 2}
    files["latents"] = [save(tmp_path / f"{s}.npy", np.where(held_out[:, None], z[s], z[0])) for s in range(2)]
    marks = [save(tmp_path / f"held_out_{s}.npy", held_out.astype(np.int8)) for s in range(2)]
    given = {**files, "n_permutations": 0}
    everywhere, elsewhere = (
        tables(call(Align, cwd=tmp_path / name, **given, **more))[0].iloc[0]
        for name, more in (("all", {}), ("held-out", {"held_out": marks}))
    )
    assert everywhere["disparity"] < 0.6 and elsewhere["disparity"] > 0.95
    assert elsewhere["n_voxels"] == held_out.sum()
    save(tmp_path / "few.npy", (np.arange(len(held_out)) < 9).astype(np.int8))
    few = call(Align, cwd=tmp_path / "few", **given, held_out=[tmp_path / "few.npy"] * 2)
    assert all(table.empty for table in tables(few)) and few.template_maps.exists()


def test_a_planted_common_space_is_found_beside_its_floor_and_its_nulls(tmp_path):
    files = write_group(tmp_path / "in", np.random.default_rng(0), 4)
    out = call(Align, cwd=tmp_path / "out", **files, n_permutations=60)
    pairs, nulls, template = tables(out)
    mean = pairs.groupby(["representation", "relation"])[["disparity", "r_distances", "disparity_parcels"]].mean()
    for name in ("cvae", "cvae whitened"):
        between, floor = mean.loc[name, "subjects"], mean.loc[name, "same subject, other seed"]
        assert floor["disparity"] < 0.05 < between["disparity"] < 0.6
        assert floor["r_distances"] > 0.9 > between["r_distances"] > 0.3
    assert len(pairs) == 2 * (6 + 4)
    assert set(pairs["n_voxels"]) == {int(np.prod(SHAPE)) - dropped_anywhere(files)}
    assert nulls["p"].to_numpy() == pytest.approx(1 / 61) and len(nulls) == 2 * 5
    rotation = nulls[(nulls["null"] == "rotation") & (nulls["representation"] == "cvae")].iloc[0]
    assert rotation["observed"] == pytest.approx(mean.loc["cvae", "subjects"]["disparity"], rel=1e-6)
    assert rotation["low"] > 0.6
    # nearer to the mean of three others than to any one of them
    to_template = template[template["representation"] == "cvae"]["disparity"]
    assert (to_template < mean.loc["cvae", "subjects"]["disparity"]).all()
    maps = nib.load(out.template_maps).get_fdata()
    assert maps.shape == (*SHAPE, D) and (maps != 0).any(axis=-1).sum() == pairs["n_voxels"].iloc[0]


def dropped_anywhere(files):
    from pydra_vae.stats.normalise import Scaling

    return int((~np.all([Scaling.load(path).kept for path in files["scalings"]], axis=0)).sum())


def test_smooth_spaces_with_nothing_in_common_do_not_beat_the_spatial_null(tmp_path):
    files = write_group(tmp_path / "in", np.random.default_rng(1), 3, common=0, own=1)
    pairs, nulls, _ = tables(call(Align, cwd=tmp_path / "out", **files, n_permutations=60))
    assert (nulls[nulls["null"] == "spatial"]["p"] > 0.05).all()
    floor = pairs[pairs["relation"] == "same subject, other seed"]
    assert (floor["disparity"] < 0.05).all()  # does not align, but does align with itself


def test_recordings_of_one_person_are_a_floor_and_move_together(tmp_path):
    files = write_group(tmp_path / "in", np.random.default_rng(2), 4, common=0, own=1)
    # the second fits stand for second runs of the first two persons
    twice = {name: files[name][:2] * 2 for name in ("voxels", "scalings", "masks")}
    twice["latents"] = files["latents"][:2] + files["other_seed"][:2]
    labels, persons = ["a_run-1", "b_run-1", "a_run-2", "b_run-2"], ["a", "b", "a", "b"]
    out = call(Align, cwd=tmp_path / "out", labels=labels, persons=persons, **twice, n_permutations=20)
    pairs, nulls, template = tables(out)
    mean = pairs[pairs["representation"] == "cvae"].groupby("relation")["disparity"].agg(["mean", "size"])
    assert mean["size"].to_dict() == {"subjects": 4, "same person, other run": 2}
    assert mean.loc["same person, other run", "mean"] < 0.1 < 0.5 < mean.loc["subjects", "mean"]
    assert set(nulls["relation"]) == {"subjects"} and set(nulls["n_pairs"]) == {4}
    assert (template["disparity"] > 0.5).all()
    alone = {name: values[::2] for name, values in twice.items()}
    out = call(Align, cwd=tmp_path / "one", labels=labels[::2], persons=["a", "a"], **alone, n_permutations=20)
    _, nulls, template = tables(out)
    assert set(nulls["relation"]) == {"same person, other run"}
    assert nulls["p"].to_numpy() == pytest.approx(1 / 21) and (template["disparity"] < 0.1).all()


def test_grids_that_differ_are_compared_on_shared_voxels(tmp_path):
    rng = np.random.default_rng(3)
    centres = rng.uniform(0, 90, size=(D, 3))

    def smooth(mm):
        return np.exp(-((mm[:, None] - centres) ** 2).sum(axis=-1) / 2 / 25**2)

    spaces = [write_space(tmp_path / "a", (16, 16, 16), 6), write_space(tmp_path / "b", (24, 24, 24), 4, offset=0.5)]
    latents = [
        save(tmp_path / f"{i}.npy", smooth(space.mm) @ ortho_group.rvs(D, random_state=i))
        for i, space in enumerate(spaces)
    ]
    lists = {"voxels": "voxels", "scalings": "scaling", "masks": "mask"}
    places = {name: [getattr(space, key) for space in spaces] for name, key in lists.items()}
    out = call(Align, cwd=tmp_path / "out", labels=["1", "2"], latents=latents, **places, n_permutations=5)
    pairs = tables(out)[0]
    assert pairs["n_voxels"].iloc[0] > 3300 and pairs["disparity"].iloc[0] < 0.02
    assert nib.load(out.template_maps).shape == (16, 16, 16, D)


def test_without_parcels_enough_and_with_a_collapsed_model(tmp_path):
    files = write_group(tmp_path / "in", np.random.default_rng(4), 3)
    collapsed = np.zeros_like(np.load(files["latents"][2]))
    save(files["latents"][2], collapsed)
    files.pop("other_seed")
    for path in files["voxels"]:
        table = pd.read_csv(path, sep="\t")
        table["parcel"] = 1
        table.to_csv(path, sep="\t", index=False)
    pairs, nulls, template = tables(call(Align, cwd=tmp_path / "out", **files, n_permutations=5))
    assert pairs["r_distances"].isna().all() and set(nulls["null"]) == {"rotation"}
    assert pairs["disparity"].isna().sum() == 4 and template["disparity"].isna().sum() == 2


def test_messages(tmp_path):
    files = write_group(tmp_path / "in", np.random.default_rng(5), 2)
    one = {name: values[:1] for name, values in files.items()}
    with pytest.raises(ValueError, match="alignment needs at least two subjects and there is 1"):
        call(Align, cwd=tmp_path / "out", **one)
    with pytest.raises(ValueError, match="there are 2 labels but 1 other_seed"):
        call(Align, cwd=tmp_path / "out", **files | {"other_seed": one["other_seed"]})
