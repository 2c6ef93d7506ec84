"""What the group level refuses, skips and announces, on results of which only names and records are there."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from pydra_vae.workflows import finn_group_program
from pydra_vae.workflows.finn_group_inputs import COLUMNS, METRICS, NEEDED
from pydra_vae.workflows.finn_program import run_finn

MNI = "MNI152NLin2009cAsym"


@pytest.fixture
def finn(tmp_path, capsys, monkeypatch):
    """A tree of runs and of results; `finn(…)` gives the status and what was written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")

    def never(*args, **kwargs):
        raise AssertionError("a run was started")

    monkeypatch.setattr(finn_group_program, "run", never)
    tree, out = tmp_path / "fmriprep", tmp_path / "out"

    def add(subject, run=None, space=MNI, files=("sweep", "structure")):
        """One recording of 80 frames, and what its participant level left."""
        name = f"sub-{subject}_task-rest" + (f"_run-{run}" if run else "")
        label = name if run else f"sub-{subject}"
        place = f"sub-{subject}/func/{name}_space-{space}"
        bold = tree / f"{place}_desc-preproc_bold.nii.gz"
        for path in (bold, out / place):
            path.parent.mkdir(parents=True, exist_ok=True)
        image = nib.Nifti1Image(np.ones((3, 3, 3, 80), np.float32), np.eye(4))
        image.header.set_zooms((1, 1, 1, 2))
        nib.save(image, bold)
        for end in NEEDED.values():
            (out / f"{place}{end}").touch()
        (out / f"{place}{METRICS}").write_text("\t".join(sorted(COLUMNS)) + "\n")
        for table in files:
            (out / f"{place}_desc-cvae_{table}.tsv").touch()
        record = {"Label": label, "Sources": [f"bids:raw:{place}_desc-preproc_bold.nii.gz"], "latent_dim": 9}
        steps = {"FitCvae": {}, "MaskBold": {}, "Normalize": {}, "Tsnr": {"units": "auto"}}
        record["Parameters"] = {"split": "random", "seed": 0, "atlas": "none", **steps}
        (out / f"{place}{NEEDED['configuration']}").write_text(json.dumps(record))
        scores = tree / "participants.tsv"
        scores.write_text((scores.read_text() if scores.exists() else "participant_id\tage\n") + f"sub-{subject}\t30\n")
        return bold

    def call(*arguments):
        status = run_finn([str(tree), str(out), "group", "--dry-run", *arguments])
        told = capsys.readouterr()
        return SimpleNamespace(status=status, told=told.err, writes=told.out)

    call.add = add
    return call


def test_only_what_will_be_written_is_announced(finn):
    finn.add("01")
    finn.add("02")
    done = finn("--analyses", "transfer", "shared", "--shared-kinds", "pooled")
    names = {line.rsplit("/", 1)[-1] for line in done.writes.splitlines() if line.startswith("writes ")}
    tables = ("metrics", "sweep", "structure", "sizecurve", "transfer", "shared")
    ends = ("cvae_sizechoice.json", "pooled_model.safetensors", *(f"cvae_{table}.tsv" for table in tables))
    assert names == {"index.html", *(f"group_desc-{end}" for end in ends)}
    assert done.status == 0 and not done.told
    assert "group_desc-cvae_mantel.tsv" not in finn().writes
    assert "group_desc-cvae_mantel.tsv" in finn("--score", "age").writes


def test_one_subject_has_no_group(finn):
    finn.add("01")
    done = finn("--analyses", "all")
    assert "no transfer, alignment, statistics, identification, shared: two subjects are needed" in done.told
    assert done.status == 0 and "metrics.tsv" in done.writes and "pairs.tsv" not in done.writes


def test_native_space_is_for_runs_of_one_person(finn):
    for run in (1, 2):
        finn.add("01", run, "T1w")
    done = finn("--analyses", "all")
    assert done.told.strip() == "finn: no statistics, identification: all recordings are of one person"
    assert "pairs.tsv" in done.writes and "tests.tsv" not in done.writes and "identification" not in done.writes
    finn.add("02", space="T1w")
    done = finn("--analyses", "alignment")
    assert done.status == 2 and not done.writes
    assert (
        "--analyses alignment: sub-01, sub-02 lie in a space of their own" in done.told
        and "run the participant level with --space" in done.told
    )
    done = finn()
    assert done.status == 0 and "no transfer, alignment, statistics: " in done.told
    assert "pairs.tsv" not in done.writes


def test_chosen_subjects_and_runs_that_are_gone(finn):
    finn.add("01")
    gone = finn.add("02")
    assert "sub-02" not in finn("--participant-label", "01", "--analyses", "none").writes
    done = finn("--participant-label", "03")
    assert done.status == 2 and "has no results of sub-03; it has sub-01, sub-02" in done.told
    gone.unlink()
    done = finn("--analyses", "transfer")
    assert done.status == 1 and "give the derivatives that its participant level read" in done.told
    assert finn("--analyses", "none").status == 0  # nothing of the derivatives is needed
