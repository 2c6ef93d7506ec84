"""finn's analyses and its group level as a user meets them: what a change recomputes, what is refused, what is kept.

All runs are on the demo's three tiny listeners. Those that ask for the demo's own analyses share its work folder.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from pydra_vae.workflows.finn_program import run_finn

STORIES = ("--task-id", "story1", "story2", "story3")
QUICK = ("--network", "dense", "--linear-skip", "pca")
FITS = {"FitCvae", "FitShared", "JoinShared"}
STEM = "task-story1+story2+story3_space-MNI152NLin2009aSym"


def read(path):
    return pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)


def config_of(output, sub="01"):
    (path,) = (output / f"sub-{sub}").rglob("*_desc-cvae_model.json")
    return json.loads(path.read_text())


@dataclass
class Lab:
    """A folder with derivatives of its own, in which the program is run."""

    finn: object
    folder: Path

    @property
    def data(self):
        return self.folder / "data"

    @property
    def out(self):
        return self.folder / "out"

    def participant(self, *options, out=None, runs=STORIES, steps=25, cwd=None):
        """The participant level, by default without analyses; its work folder is that of `cwd`."""
        atlas = next((self.data).glob("tpl-*/*dseg.nii.gz"))
        options = options if "--analyses" in options else (*options, "--analyses", "none")
        return self.finn(self.data, out or self.out, "participant", "--atlas", atlas, *runs, *QUICK,
                         "--max-steps", steps, *options, cwd=cwd or self.folder)  # fmt: skip

    def group(self, *options, data=None, out=None, cwd=None):
        return self.finn(data or self.data, out or self.out, "group", *options, cwd=cwd or self.folder)

    def copied(self, where):
        """A copy of the results, to add to."""
        return shutil.copytree(self.out, where, copy_function=shutil.copy2)


@pytest.fixture(scope="module")
def grown(demo, finn, tmp_path_factory):
    """Two subjects, their group, then a third, and the group again: the folder, and what each run left."""
    lab = Lab(finn, tmp_path_factory.mktemp("lab"))
    shutil.copytree(demo[0] / "data", lab.data)
    runs = SimpleNamespace(
        two=lab.participant("--participant-label", "01", "02"),
        group_of_two=lab.group("--score", "score"),
        three=lab.participant(),
        group_of_three=lab.group("--score", "score"),
    )
    for done in vars(runs).values():
        assert done.returncode == 0, done.stderr
    return lab, runs


@pytest.fixture
def refused(grown, capsys, monkeypatch, tmp_path):
    """Expect a group of the lab's results to stop before anything is computed, with a line that has these parts."""
    monkeypatch.chdir(tmp_path)

    def call(*options, parts, level="group", out=None):
        arguments = (grown[0].data, out or grown[0].out, level, *options)
        assert run_finn([str(argument) for argument in arguments]) == 2
        told = capsys.readouterr().err
        assert "Traceback" not in told
        for part in parts:
            assert str(part) in told
        assert not (tmp_path / "work").exists()

    return call


# ---- what a change recomputes --------------------------------------------------------------------


def test_other_permutations_touch_no_fit(demo, finn, tmp_path):
    tests = {"ConnectivityGeometry", "CompareGradients", "Align", "Identify", "ScoreMantel"}
    done = finn(*finn.short, "--permutations", "30", "--work-dir", demo[0] / "work", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert tests <= set(done.done_again)
    # two more are told where the atlas lies, which is elsewhere in each folder
    places = {"SubjectReport", "TakeModel"}
    assert set(done.done_again) <= tests | {"GatherTables", "GroupStatistics", "GroupReport"} | places
    assert done.steps >= FITS
    nulls = read(tmp_path / "finn-demo" / "output" / "group_desc-cvae_nulls.tsv")
    assert nulls["n"].max() == 30


def test_a_size_added_to_the_sweep_trains_that_size_only_and_one_subject_makes_no_group(demo, finn, tmp_path):
    options = ("--participant-label", "01", "--sweep-sizes", "2", "4", "9", "--work-dir", demo[0] / "work")
    done = finn(*finn.short, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (done.computed["FitCvae"], done.computed["ScoreFit"], done.computed["FitControls"]) == (2, 2, 0)
    pages = {"SubjectReport", "GroupReport"}
    assert set(done.done_again) <= {"FitCvae", "ScoreFit", "GatherTables", "ChooseSize"} | pages
    output = tmp_path / "finn-demo" / "output"
    sweep = read(output / "group_desc-cvae_sweep.tsv")
    assert sorted(zip(sweep["latent_dim"], sweep["seed"], strict=True)) == [(d, s) for d in (2, 4, 9) for s in (0, 1)]
    told = "finn: no transfer, alignment, statistics, identification, shared: two subjects are needed, and there is one"
    assert told in done.stderr
    assert not FITS & set(done.done_again) - {"FitCvae"}
    assert set(read(output / "group_desc-cvae_metrics.tsv")["participant_id"]) == {"sub-01"}
    assert "Two subjects are needed, and there is one" in (output / "index.html").read_text()


def test_a_subject_that_is_added_is_the_only_one_computed(grown):
    _, runs = grown
    assert runs.two.computed["FitCvae"] == 2
    assert runs.three.done_again == {step: n // 2 for step, n in runs.two.done_again.items()}
    assert runs.three.reused["FitCvae"] == 2


def test_the_group_redoes_only_what_sees_the_new_subject(grown):
    lab, runs = grown
    across = {"Align", "GatherTables", "GroupStatistics", "IntersubjectCorrelation", "ScoreMantel", "TransferError",
              "GroupReport"}  # fmt: skip
    before, after = runs.group_of_two.done_again, runs.group_of_three.done_again
    assert before["FitCvae"] == before["Encode"] == 2  # each subject's floor
    assert not before.keys() & {"MaskBold", "Normalize", "FitControls", "Reconstruct"}  # of its own level
    assert {step: n for step, n in after.items() if step not in across} == {
        step: n // 2 for step, n in before.items() if step not in across
    }
    assert (runs.group_of_three.computed["TransferError"], runs.group_of_three.reused["TransferError"]) == (5, 4)
    assert set(after) <= across | set(before)
    transfer = read(lab.out / "group_desc-cvae_transfer.tsv")
    assert len(transfer) == 9 and transfer["mse"].notna().all()
    floor = read(lab.out / "group_desc-cvae_pairs.tsv").query("relation == 'same subject, other seed'")
    assert set(floor["first"]) == {"sub-01", "sub-02", "sub-03"}
    assert set(read(lab.out / "group_desc-cvae_mantel.tsv")["n"]) == {3}


def test_fits_that_train_together_are_the_fits_that_they_are_alone(demo, grown, finn, tmp_path):
    lab, _ = grown
    options = ("--participant-label", "01", "--analyses", "sweep", "--sweep-sizes", "2", "9")
    done = lab.participant(*options, "--fits-together", "4", "--n-procs", "1", steps=40, out="out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.computed["FitCvae"] == 4  # one of them is the subject's own
    records = [json.loads(path.read_text()) for path in (tmp_path / "work").rglob("model.json")]
    stacked = [made["stacked_with"] for made in records]
    assert max(stacked) >= 2
    again = lab.participant(*options, steps=40, out="out", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert not again.done_again
    alone = next((demo[0] / "output" / "sub-01").rglob("*_desc-cvae_sweep.tsv"))
    together = next((tmp_path / "out" / "sub-01").rglob("*_desc-cvae_sweep.tsv"))
    keys = ["latent_dim", "seed"]
    assert read(together)[keys].equals(read(alone)[keys])
    assert read(together)["mse_test"].to_numpy() == pytest.approx(read(alone)["mse_test"].to_numpy(), rel=1e-3)


def test_the_group_without_its_work_folder_refits_no_model(grown, tmp_path):
    lab, _ = grown
    out = lab.copied(tmp_path / "out")
    done = lab.group("--analyses", "transfer", out=out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.computed["Normalize"] == 3 and not FITS & done.steps
    for name in ("transfer", "metrics"):
        path = f"group_desc-cvae_{name}.tsv"
        assert (out / path).read_bytes() == (lab.out / path).read_bytes()


def test_derivatives_that_moved(grown, tmp_path):
    lab, runs = grown
    out = lab.copied(tmp_path / "out")
    moved = lab.data.rename(tmp_path / "elsewhere")
    try:
        done = lab.group("--score", "score", "--work-dir", lab.folder / "work", data=moved, out=out, cwd=tmp_path)
    finally:
        moved.rename(lab.data)
    assert done.returncode == 0, done.stderr
    assert set(done.done_again) <= {"GroupReport"}  # it names the folders
    assert done.steps == runs.group_of_three.steps


# ---- subjects that differ ------------------------------------------------------------------------


def test_a_subject_of_other_length_and_an_analysis_that_fails_keep_nothing_from_the_rest(grown, tmp_path):
    lab, _ = grown
    out = lab.copied(tmp_path / "out")
    shutil.rmtree(out / "sub-03")
    work = ("--work-dir", lab.folder / "work")
    done = lab.participant("--participant-label", "03", *work, runs=STORIES[:-1], out=out)
    assert done.returncode == 0, done.stderr
    assert config_of(out, "03")["n_frames"] == 110
    done = lab.group("--analyses", "transfer", "alignment", "statistics", "shared", *work, out=out, cwd=tmp_path)
    assert done.returncode == 1
    reason = "sub-03 has 110 frames"
    transfer = read(out / "group_desc-cvae_transfer.tsv")
    across = (transfer["source"] == "sub-03") != (transfer["target"] == "sub-03")
    assert list(transfer["mse"].isna()) == list(across)
    assert transfer.loc[across, "reason"].str.contains("frames, the model of").all()
    assert f"{reason}, the model of sub-01 takes 154" in set(transfer["reason"])
    assert set(read(out / "group_desc-cvae_isc.tsv")["left_out"]) == {"sub-03"}
    pairs = read(out / "group_desc-cvae_pairs.tsv").query("representation == 'cvae' and relation == 'subjects'")
    assert len(pairs) == 3 and pairs["disparity"].notna().all()
    # models of several subjects need as many frames in each
    assert done.failed["FitShared"] == 3 and done.failed["TransferError"] == 0
    page = (out / "index.html").read_text()
    for told in (done.stderr, page):
        assert "sub-03 has 110 frames but sub-01 154: a shared model needs as many frames in every subject" in told
    assert "leave that subject out, or choose the same runs for all" in done.stderr
    assert not (out / "group_desc-cvae_shared.tsv").exists()
    assert str(out / "index.html") in done.stderr


def test_native_data_of_two_persons_are_refused(grown, refused, tmp_path):
    lab, _ = grown
    out = lab.copied(tmp_path / "native")
    for path in list(out.glob("sub-*/func/*")):
        path.rename(path.with_name(path.name.replace("space-MNI152NLin2009aSym", "space-T1w")))
    advice = "run the participant level with --space MNI152NLin2009cAsym (or another template)"
    parts = ("--analyses transfer alignment: sub-01, sub-02, sub-03 lie in a space of their own", advice)
    refused("--analyses", "transfer", "alignment", parts=parts, out=out)
    (out / "index.html").unlink()
    done = lab.group(out=out, cwd=tmp_path)  # without being asked, it does what can be done
    assert done.returncode == 0, done.stderr
    assert "no transfer, alignment, statistics: sub-01, sub-02, sub-03 lie in a space of their own" in done.stderr
    assert done.steps == {"GatherTables", "GroupReport"}
    assert advice in (out / "index.html").read_text()


def test_each_run_as_a_recording_of_its_own(grown, tmp_path):
    lab, _ = grown
    work = ("--work-dir", lab.folder / "work")
    done = lab.participant("--participant-label", "01", "--split-runs", *work, out=tmp_path / "out")
    assert done.returncode == 0, done.stderr
    labels = [f"sub-01_task-story{n}" for n in (1, 2, 3)]
    func = tmp_path / "out" / "sub-01" / "func"
    for label in labels:
        assert (tmp_path / "out" / f"{label}.html").is_file()
        assert read(func / f"{label}_space-MNI152NLin2009aSym_desc-cvae_metrics.tsv")["participant_id"][0] == label
    assert done.computed["MaskBold"] == 0  # the same runs
    done = lab.group("--analyses", "alignment", "identification", *work, out=tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no identification: all recordings are of one person" in done.stderr
    pairs = read(tmp_path / "out" / "group_desc-cvae_pairs.tsv").query("representation == 'cvae'")
    assert list(pairs["relation"]) == ["same person, other run"] * 3 + ["same subject, other seed"] * 3
    assert set(pairs["first"]) == set(labels)


# ---- what is asked for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "parts"),
    [
        ("iq", ("no column 'iq', only participant_id, age, sex, score", "choose one of them (--score)")),
        ("sex", ("sex of sub-01 is ", "not a number: choose a column of numbers")),
        ("score", ("has no row for sub-02, sub-03: add a row (n/a where the score is not known)",)),
        ("gone", ("gone.tsv is not there", "give --participants FILE")),
    ],
    ids=["no-column", "no-number", "no-row", "no-file"],
)
def test_a_score_that_cannot_be_used(grown, refused, tmp_path, column, parts):
    participants = tmp_path / f"{column}.tsv"
    if column != "gone":
        table = read(grown[0].data / "participants.tsv")
        (table[:1] if column == "score" else table).to_csv(participants, sep="\t", index=False)
    refused("--score", column, "--participants", participants, parts=(f"--score {column}: {participants}", *parts))


def test_unknown_subjects_for_shared_models(grown, refused):
    parts = ("--shared-training-labels: no results of 07, 09 in ", grown[0].out, "it has 01, 02, 03")
    refused("--analyses", "shared", "--shared-training-labels", "01", "sub-09", "07", parts=parts)


def test_a_fit_starts_from_another_subject_s(grown, refused, tmp_path):
    lab, _ = grown
    start = next((lab.out / "sub-01").rglob("*_model.safetensors"))
    options = ("--participant-label", "02", "--warm-start", start)
    done = lab.participant(*options, "--work-dir", lab.folder / "work", out=tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.computed["FitCvae"] == 1 and done.reused["Normalize"] == 1
    assert "warm_start" in done.why["FitCvae"]
    made = config_of(tmp_path / "out", "02")
    assert made["Parameters"]["warm_start"] == str(start)
    assert made["warm_start"] is not None and config_of(lab.out, "02")["warm_start"] is None
    atlas = next(lab.data.glob("tpl-*/*dseg.nii.gz"))
    options += ("--atlas", atlas, *STORIES, *QUICK)
    for other, parts in (
        (("--latent-dim", "4"), ("latent_dim 9, not 4",)),
        (("--linear-skip", "none"), ("linear_skip pca, not none",)),
    ):
        parts = (f"sub-02: --warm-start {start} holds a model with ", *parts, "its own shape")
        refused(*options, *other, parts=parts, level="participant", out=tmp_path / "other")


# ---- interrupted -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_group_goes_on_where_it_was(grown, tmp_path):
    lab, _ = grown
    out = lab.copied(tmp_path / "out")
    for path in out.glob("group_*"):
        path.unlink()
    command = [sys.executable, str(lab.finn.script), str(lab.data), str(out), "group", "--n-procs", "1"]
    with open(tmp_path / "told", "w+") as told:
        process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, stderr=told)
        while "FitCvae (other_seed_fit)  done" not in (tmp_path / "told").read_text():
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not list(out.glob("group_*"))
    done = lab.group(out=out, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 1 <= done.reused["FitCvae"] == 3 - done.computed["FitCvae"]
    for name in ("transfer", "pairs", "isc", "tests"):
        path = f"group_desc-cvae_{name}.tsv"
        assert (out / path).read_bytes() == (lab.out / path).read_bytes()
    assert not lab.group(out=out, cwd=tmp_path).done_again


@pytest.mark.slow
def test_haxby_s_runs_align_with_one_another(finn, shared_data, tmp_path):
    haxby = shared_data / "derivatives" / "haxby"
    options = ("--split-runs", "--atlas", "none", *QUICK, "--max-steps", "60", "--analyses", "none")
    done = finn(haxby, "out", "participant", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = finn(haxby, "out", "group", "--analyses", "alignment", "transfer", cwd=tmp_path)  # native, of one person
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "out" / "group_desc-cvae_transfer.tsv")["mse"].notna().sum() == 144
    pairs = read(tmp_path / "out" / "group_desc-cvae_pairs.tsv").query("representation == 'cvae'")
    between = pairs.groupby("relation")["disparity"]
    assert dict(between.size()) == {"same person, other run": 66, "same subject, other seed": 12}
    assert between.mean()["same subject, other seed"] < between.mean()["same person, other run"] < 1
