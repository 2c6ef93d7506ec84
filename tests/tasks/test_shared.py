"""FitShared, JoinShared, ScoreShared and SharedTable on small files: what they write, price and refuse."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from scipy.spatial import procrustes

from pydra_vae.bids.tables import read_table, write_table
from pydra_vae.engine.step import call
from pydra_vae.stats.normalise import Scaling
from pydra_vae.stats.pca import fit_pca
from pydra_vae.tasks.fit_shared import FitShared
from pydra_vae.tasks.join_shared import JoinShared
from pydra_vae.tasks.score_shared import ScoreShared
from pydra_vae.tasks.shared_table import SharedTable

SHAPE, T, D = (12, 10, 8), 72, 2
QUICK = {"latent_dim": D, "rank": 8, "max_steps": 250, "device": "cpu"}
LISTS = {"scaled": "scaled", "frames": "frames", "voxels": "voxels", "scaling": "scalings", "mask": "masks"}


def write_subject(folder, x, inside, method="minmax"):
    """Series (K, T) in scanner units of the voxels inside, as Normalize and MakeMask leave them."""
    folder.mkdir()
    series = (500 + 20 * x).astype(np.float32)
    scaling = Scaling.fit([series], method=method)
    paths = {name: folder / file for name, file in {
        "scaled": "scaled.npy", "frames": "frames.tsv", "voxels": "voxels.tsv", "scaling": "scaling.safetensors",
        "mask": "mask.nii.gz",
    }.items()}  # fmt: skip
    scaling.save(paths["scaling"])
    np.save(paths["scaled"], np.asarray(scaling.apply([series]), np.float32))
    n = x.shape[1]
    weight = [0, 0, *[1] * (n - 2)]
    pd.DataFrame({"run": 0, "frame": range(n), "weight": weight, "reason": "n/a"}).to_csv(
        paths["frames"], sep="\t", index=False
    )
    table = pd.DataFrame(np.argwhere(inside), columns=["i", "j", "k"]).assign(parcel=0, name="n/a", network="n/a")
    table.to_csv(paths["voxels"], sep="\t", index=False)
    nib.save(nib.Nifti1Image(inside.astype(np.uint8), np.diag([3.0, 3, 3, 1])), paths["mask"])
    return paths


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    """Four subjects in masks that differ: one curved sheet of two planted latents, courses of each subject's own."""
    folder, rng = tmp_path_factory.mktemp("subjects"), np.random.default_rng(0)
    n = int(np.prod(SHAPE))
    sheet = rng.uniform(-1, 1, size=(n, 2))
    made = {}
    for label in ("01", "02", "03", "04"):
        own = sheet + 0.05 * rng.normal(size=sheet.shape)
        features = np.column_stack([own, own**2, own[:, :1] * own[:, 1:]])
        x = features @ rng.normal(size=(5, T)) + rng.normal(size=T) + 0.2 * rng.normal(size=(n, T))
        inside = rng.random(SHAPE) < 0.97
        made[label] = write_subject(folder / label, x[inside.ravel()], inside, method="zscore")
    return made


def members_of(subjects, labels):
    lists = {many: [subjects[label][one] for label in labels] for one, many in LISTS.items()}
    return {"labels": list(labels), **lists}


@pytest.fixture(scope="module")
def fitted(subjects, tmp_path_factory):
    """A model of each kind on the first three."""
    return {
        kind: call(FitShared, cwd=tmp_path_factory.mktemp(kind), **members_of(subjects, ("01", "02", "03")), kind=kind,
                   **QUICK)
        for kind in ("shared_decoder", "subject_decoders", "pooled")
    }  # fmt: skip


def score_of(fitted, subject, label, folder, **part):
    made = call(
        ScoreShared, cwd=folder, model=fitted.model, config=fitted.config, **subject, label=label, device="cpu", **part
    )
    score, held_out = read_table(made.score).iloc[0], np.load(made.held_out)
    assert len(held_out) == len(np.load(made.latents)) and held_out.sum() == score["n_test"]
    return score, np.load(made.latents)


@pytest.mark.parametrize("kind", ["shared_decoder", "subject_decoders"])
def test_members_and_a_newcomer_are_served_better_than_by_their_pcas(kind, fitted, subjects, tmp_path):
    shared, latents, rows = fitted[kind], {}, {}
    for label in ("01", "02", "03"):
        rows[label], latents[label] = score_of(shared, subjects[label], label, tmp_path)
        assert rows[label]["member"] == "training" and rows[label]["steps"] == 250
        assert rows[label]["mse_test"] < 0.8 * rows[label]["pca_mse_test"]
        assert np.isfinite(rows[label]["mse_common"]) == (kind == "subject_decoders")
    before = Path(shared.model).read_bytes()
    joined = call(
        JoinShared, cwd=tmp_path, model=shared.model, config=shared.config, **subjects["04"], label="04", device="cpu"
    )
    assert Path(shared.model).read_bytes() == before
    alone, _ = score_of(shared, subjects["04"], "04", tmp_path)
    rows["04"], latents["04"] = score_of(shared, subjects["04"], "04", tmp_path, part=joined.part)
    assert (alone["member"], rows["04"]["member"], rows["04"]["steps"]) == ("zero-shot", "joined", 300)
    assert rows["04"]["mse_test"] < 0.8 * rows["04"]["pca_mse_test"] and rows["04"]["mse_test"] < alone["mse_test"]
    own = sum(value.size for name, value in load_file(joined.part).items() if name.endswith(("weight", "bias")))
    assert rows["04"]["parameters_own"] == own == json.loads(Path(joined.config).read_text())["parameters_own"]

    ijk = {
        label: [tuple(v) for v in read_table(subjects[label]["voxels"])[["i", "j", "k"]].to_numpy()]
        for label in latents
    }
    common = set.intersection(*map(set, ijk.values()))
    aligned = {label: z[[n for n, v in enumerate(ijk[label]) if v in common]] for label, z in latents.items()}
    disparity = [procrustes(aligned[a], aligned[b])[2] for a in aligned for b in aligned if a < b]
    assert max(disparity) < 0.15


def test_held_out_places_are_the_same_in_every_subject(fitted, subjects, tmp_path):
    """A member's test error is that of its voxels at the model's test places, wherever they lie in its matrix."""
    kept = load_file(fitted["pooled"].model)
    test = {tuple(v) for v in np.rint(kept["mm"][kept["split"] == 2] / 3).astype(int)}
    for label in ("01", "03"):
        row, _ = score_of(fitted["pooled"], subjects[label], label, tmp_path)
        ijk = [tuple(v) for v in read_table(subjects[label]["voxels"])[["i", "j", "k"]].to_numpy()]
        held_out = np.array([v in test for v in ijk])
        assert row["n_test"] == len(test) == held_out.sum()
        train = {tuple(v) for v in np.rint(kept["mm"][kept["split"] == 0] / 3).astype(int)}
        x = np.load(subjects[label]["scaled"])
        pca = fit_pca(x, D, [0, 0, *[1] * (T - 2)], rows=np.array([v in train for v in ijk]))
        expected = np.square(x - pca.reconstruct(x))[held_out][:, 2:].mean()
        assert row["pca_mse_test"] == pytest.approx(expected, rel=1e-5)


def test_a_pooled_model_has_no_parts_and_takes_anybody(fitted, subjects, tmp_path):
    shared = fitted["pooled"]
    joined = call(
        JoinShared, cwd=tmp_path, model=shared.model, config=shared.config, **subjects["04"], label="04", device="cpu"
    )
    assert load_file(joined.part) == {} and len(read_table(joined.history)) == 0
    row, _ = score_of(shared, subjects["04"], "04", tmp_path, part=joined.part)
    assert (row["member"], row["parameters_own"]) == ("zero-shot", 0)
    member, _ = score_of(shared, subjects["01"], "01", tmp_path)
    assert member["mse_test"] < 1.01 * member["pooled_pca_mse_test"]


def test_the_same_inputs_give_the_same_files(subjects, tmp_path):
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        options = {**QUICK, "max_steps": 10}
        fit = call(FitShared, cwd=tmp_path / name, **members_of(subjects, ("01", "02")), **options)
        made.append((Path(fit.model).read_bytes(), Path(fit.history).read_text()))
    assert made[0] == made[1]


def test_what_does_not_fit_is_refused(fitted, subjects, tmp_path):
    rng, inside = np.random.default_rng(1), np.ones(SHAPE, bool)
    short = write_subject(tmp_path / "short", rng.normal(size=(inside.sum(), 60)), inside, "zscore")
    other = write_subject(tmp_path / "other", rng.normal(size=(inside.sum(), T)), inside, "minmax")
    for bad, message in (
        (short, "05 has 60 frames but 01 72"),
        (other, "05 was scaled by 'minmax' but 01 by 'zscore'"),
    ):
        with pytest.raises(ValueError, match=message):
            call(FitShared, cwd=tmp_path, **members_of({**subjects, "05": bad}, ("01", "05")), **QUICK)
    with pytest.raises(ValueError, match="a shared model needs at least two subjects and there is 1"):
        call(FitShared, cwd=tmp_path, **members_of(subjects, ("01",)), **QUICK)
    model = {"model": fitted["shared_decoder"].model, "config": fitted["shared_decoder"].config, "device": "cpu"}
    with pytest.raises(ValueError, match="05 has 60 frames but the model"):
        call(JoinShared, cwd=tmp_path, **model, **short, label="05")
    with pytest.raises(ValueError, match="was fitted on data scaled by 'zscore'"):
        call(ScoreShared, cwd=tmp_path, **model, **other, label="05")
    part = call(JoinShared, cwd=tmp_path, **model, **subjects["04"], label="04", max_steps=2).part
    with pytest.raises(ValueError, match="is the part of 04, not of 03"):
        call(ScoreShared, cwd=tmp_path, **model, **subjects["03"], label="03", part=part)
    with pytest.raises(ValueError, match="lacks kind"):
        (tmp_path / "wrong.json").write_text("{}")
        call(ScoreShared, cwd=tmp_path, **{**model, "config": tmp_path / "wrong.json"}, **other, label="05")


def test_the_table_prices_each_subject_against_its_own_model(tmp_path):
    def rows(kind, shared):
        base = {
            "pca_mse_test": 0.05,
            "pooled_pca_mse_test": np.nan,
            "r2": 0.5,
            "mse_common": np.nan,
            "parameters_own": 7,
        }
        table = [
            {"kind": kind, "label": label, "member": member, "mse_test": value, **base}
            for (label, member), value in shared.items()
        ]
        return write_table(tmp_path / f"{kind}.tsv", table)

    def pairs(name, disparity):
        table = [
            {"first": a, "second": b, "relation": relation, "representation": representation, "disparity": value,
             "r_distances": 1 - value}
            for (a, b), value in disparity.items()
            for relation, representation in (("subjects", "cvae"), ("same subject, other seed", "cvae"))
        ]  # fmt: skip
        return write_table(tmp_path / f"{name}.tsv", table)

    members = {("01", "training"): 0.022, ("02", "training"): 0.044, ("03", "joined"): 0.036}
    aligned = {("01", "02"): 0.2, ("01", "03"): 0.4, ("02", "03"): 0.6}
    independent = [
        {"participant_id": label, "split": split, "model": model, "mse_test": value * factor}
        for label, value in (("01", 0.02), ("02", 0.04), ("03", 0.03))
        for split, factor in (("random", 1), ("blocked", 3))
        for model in ("cvae", "pca-9 = ica-9")
    ]
    table = read_table(
        call(
            SharedTable,
            cwd=tmp_path,
            kinds=["shared_decoder"],
            scores=[rows("shared_decoder", members)],
            alignments=[pairs("pairs", aligned)],
            independent=[write_table(tmp_path / "metrics.tsv", independent)],
            independent_alignments=[pairs("independent", {pair: 0.9 for pair in aligned})],
        ).table
    ).set_index(["kind", "member"])
    training, joined = table.loc[("shared_decoder", "training")], table.loc[("shared_decoder", "joined")]
    assert (training["n_subjects"], joined["n_subjects"]) == (2, 1)
    assert (training["price_percent"], joined["price_percent"]) == pytest.approx((10, 20))
    assert (training["disparity"], joined["disparity"]) == pytest.approx((0.2, 0.5))
    assert training["r_distances"] == pytest.approx(0.8) and np.isnan(training["disparity_whitened"])
    own, pca = table.loc[("independent", "independent")], table.loc[("pca", "independent")]
    assert (own["mse_test"], own["price_percent"], own["disparity"]) == pytest.approx((0.03, 0, 0.9))
    assert pca["price_percent"] == pytest.approx(100 * np.mean([0.05 / v - 1 for v in (0.02, 0.04, 0.03)]))
