"""FactorEmbedding and SeedConsistency on planted factors."""

import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.tasks.factor_embedding import FactorEmbedding
from pydra_vae.tasks.seed_consistency import SeedConsistency

T, T_R = 160, 0.72
TASKS = ["left_hand", "tongue", "right_foot"]
PARTS = ["train"] * 4 + ["validation"] + ["test"] * 4


def blocks(start):
    found = np.full(T, "", dtype="U10")
    for i in range(6):
        found[start + 24 * i : start + 24 * i + 17] = TASKS[(i * 2 + i // 3) % 3]
    return found


def response(names):
    """(T, 3): blocks seven frames late, smooth."""
    late = np.stack([np.roll(names == task, 7).astype(float) for task in TASKS], axis=1)
    kernel = np.hanning(9) / np.hanning(9).sum()
    return np.stack([np.convolve(column, kernel, "same") for column in late.T], axis=1)


@pytest.fixture
def study(tmp_path):
    """Two timings, in turn; factors follow the sub-tasks, with noise."""
    rng, timings = np.random.default_rng(0), [blocks(3), blocks(14)]
    mixing, files, z = rng.normal(size=(3, 4)), [], []
    for i in range(len(PARTS)):
        names = timings[i % 2]
        regressors = response(names)
        table = pd.DataFrame({"frame": range(T), "time": T_R * np.arange(T), "block": names})
        for j, task in enumerate(TASKS):
            table[task] = table[f"raw_{task}"] = regressors[:, j]
        table.to_csv(tmp_path / f"{i}.tsv", sep="\t", index=False)
        files.append(tmp_path / f"{i}.tsv")
        z.append(regressors @ mixing + 0.1 * rng.normal(size=(T, 4)))
    labels = [f"sub-{i}" for i in range(len(PARTS))]
    split = pd.DataFrame({"label": labels, "person": labels, "part": PARTS})
    split.to_csv(tmp_path / "split.tsv", sep="\t", index=False)
    np.save(tmp_path / "factors.npy", np.array(z, np.float32))
    return {"factors": tmp_path / "factors.npy", "subject_split": tmp_path / "split.tsv", "regressors": files}


def read(file):
    return pd.read_csv(file.fspath, sep="\t", keep_default_na=False, na_values="n/a")


def test_averages_of_each_timing(study, tmp_path):
    made = call(FactorEmbedding, cwd=tmp_path, n_permutations=60, **study)
    frames = read(made.embedding)
    assert frames["design"].value_counts().to_dict() == {0: T, 1: T}
    # the first test recording (row 5) has the second timing
    for design, start in ((0, 14), (1, 3)):
        seen = frames[frames["design"] == design]
        assert seen["block"].fillna("").tolist() == blocks(start).tolist() and seen["frame"].tolist() == list(range(T))
        assert seen["opacity"].iloc[start : start + 5].tolist() == [0.5, 0.625, 0.75, 0.875, 1]
    tests = read(made.silhouette).set_index("space")
    assert list(tests.index) == ["factors", "t-SNE", "factors, delayed", "t-SNE, delayed"]
    delayed = tests.loc["factors, delayed"]
    assert delayed["value"] > tests.loc["factors", "value"] and delayed["p"] == pytest.approx(1 / 61)
    assert len(read(made.distances)) == 3
    again = call(FactorEmbedding, cwd=tmp_path / "again", n_permutations=60, **study)
    assert again.embedding.fspath.read_bytes() == made.embedding.fspath.read_bytes()


def test_distances_are_those_of_the_mixing(study, tmp_path):
    """Three sub-tasks whose factors are planted on a line: the middle one is near both."""
    z = np.load(study["factors"])
    at = {"": 0, "left_hand": 0, "tongue": 2, "right_foot": 3}
    for i in range(len(PARTS)):
        z[i] = [[at[name], 0, 0, 0] for name in blocks((3, 14)[i % 2])]
    np.save(study["factors"], z)
    made = call(FactorEmbedding, cwd=tmp_path, n_permutations=20, n_designs=1, **study)
    assert read(made.embedding)["design"].unique().tolist() == [0]
    rows = read(made.distances).set_index(["first", "second"])["distance"]
    assert rows["left_hand", "tongue"] == 2 and rows["right_foot", "tongue"] == 1
    assert rows["left_hand", "right_foot"] == 3


@pytest.mark.parametrize("given", [None, [None] * len(PARTS)])
def test_rest_has_a_trajectory(study, tmp_path, given):
    made = call(FactorEmbedding, cwd=tmp_path, **{**study, "regressors": given})
    frames = read(made.embedding)
    assert len(frames) == T and frames["block"].isna().all() and (frames["opacity"] == 1).all()
    assert len(read(made.distances)) == len(read(made.silhouette)) == 0
    assert list(read(made.silhouette)) == ["space", "value", "null_mean", "null_sd", "p"]


def test_recordings_without_events_stay_out_of_the_average(study, tmp_path):
    study["regressors"][5] = None
    z = np.load(study["factors"])
    z[5] = 1e6
    np.save(study["factors"], z)
    made = call(FactorEmbedding, cwd=tmp_path, n_permutations=20, **study)
    assert read(made.silhouette)["value"].iloc[2] > 0.3


def test_lists_of_other_lengths_are_refused(study, tmp_path):
    with pytest.raises(ValueError, match="8 regressors but the split lists 9 recordings"):
        call(FactorEmbedding, cwd=tmp_path, **{**study, "regressors": study["regressors"][:-1]})


def save(path, values):
    np.save(path, np.asarray(values, np.float32))
    return path


def test_seeds_that_agree_and_seeds_that_do_not(study, tmp_path):
    rng, z = np.random.default_rng(1), np.load(study["factors"])
    z = z + 0.5 * rng.normal(size=z.shape)
    smooth = np.cumsum(rng.normal(size=z.shape), axis=1)
    given = {
        "a": (z, "TI-VAE-S", 42), "b": (-z[..., ::-1] + 0.02 * rng.normal(size=z.shape), "TI-VAE-S", 1337),
        "c": (smooth, "TI-VAE-S", 9999), "other k": (z[..., :3], "TI-VAE-S", 42), "other model": (z, "PCA", 0),
    }  # fmt: skip
    files = [save(tmp_path / f"{i}.npy", values) for i, (values, *_) in enumerate(given.values())]
    made = call(SeedConsistency, cwd=tmp_path, factors=files, models=[m for _, m, _ in given.values()],
                seeds=[s for *_, s in given.values()], subject_split=study["subject_split"], n_shifts=50)  # fmt: skip
    rows = read(made.consistency).set_index(["seed_a", "seed_b"])
    assert rows["k"].tolist() == [4] * 3 and set(rows["model"]) == {"TI-VAE-S"}
    same, other = rows.loc[(42, 1337)], rows.loc[(42, 9999)]
    assert same["matched_r"] > 0.99 and same["p"] == pytest.approx(1 / 51) and same["matched_r_recordings"] > 0.99
    assert same["null"] < 0.8
    # independent slow factors match by chance: the null says so, and says less where nothing is averaged away
    assert other["p"] > 0.05 and abs(other["matched_r"] - other["null"]) < 0.2
    assert other["matched_r_recordings"] < other["matched_r"]


def test_one_fit_has_no_pair(study, tmp_path):
    made = call(SeedConsistency, cwd=tmp_path, factors=[study["factors"]], models=["a"], seeds=[1],
                subject_split=study["subject_split"])  # fmt: skip
    assert len(read(made.consistency)) == 0
    with pytest.raises(ValueError, match="2 seeds but 1 files of factors"):
        call(SeedConsistency, cwd=tmp_path, factors=[study["factors"]], models=["a"], seeds=[1, 2],
             subject_split=study["subject_split"])  # fmt: skip
