"""`pydra-vae clean` as a program: what it refuses, says and deletes."""

import json
import os
import re
import shutil
import socket
from pathlib import Path

import pytest
from fileformats.generic import File

from pydra_vae.engine.locks import own_host
from pydra_vae.engine.parcel import Box
from pydra_vae.engine.runner import run
from pydra_vae.workflows.clean import clean_parser, main

STEPS = Path(__file__).resolve().parents[1] / "engine"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A work folder with results of two versions of one file."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STEPS))
        import toysteps

        for text in ("old", "new"):
            (folder / "bold.txt").write_text(text)
            task = toysteps.Scale(series=[File(folder / "bold.txt")])
            assert run({"a": task}, work_dir=folder / "work", n_procs=1, verbose=0).exit_code == 0
    return folder


@pytest.fixture
def work(done, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(STEPS))
    return Path(shutil.copytree(done / "work", tmp_path / "work"))


def results(work):
    return sorted(path.parent.name for path in work.glob("*/_result.pklz"))


def test_what_is_out_of_reach_goes_and_the_rest_stays(work, capsys):
    before = results(work)
    assert len(before) == 2
    assert main([str(work), "--dry-run"]) == 0 and results(work) == before
    assert "would be deleted (--dry-run); 1," in capsys.readouterr().err
    assert main([str(work)]) == 0
    said = capsys.readouterr().err
    assert re.search(r"Scale +1 of 2 .* input series changed", said) and re.search(r"1 results, .* deleted; 1,", said)
    assert len(results(work)) == 1
    assert main([str(work)]) == 0 and "0 results, 0 MB, deleted" in capsys.readouterr().err


def test_keep_latest(work, done):
    """The newest of what only the file's content tells apart stays, even if the file has changed since."""
    now = (done / "bold.txt").read_text()
    (done / "bold.txt").write_text("newer")
    try:
        assert main([str(work), "--keep-latest"]) == 0 and len(results(work)) == 1
        assert main([str(work)]) == 0 and results(work) == []
    finally:
        (done / "bold.txt").write_text(now)


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        (lambda: f"{4_000_000}\nanother.host\n", "process 4000000 on another.host holds python-1.lock"),
        (lambda: "", "a process that left no name holds python-1.lock"),
        (lambda: f"1\n{own_host()}\n", f"process 1 on {socket.gethostname()}"),
    ],
)
def test_a_folder_in_which_a_run_is_at_work_is_left_alone(work, capsys, lock, said):
    (work / "python-1.lock").write_text(lock())
    before = results(work)
    assert main([str(work)]) == 2 and results(work) == before
    assert said in capsys.readouterr().err.replace("\n", " ")


@pytest.fixture
def left(work):
    """Makes the notes that a job of a cluster has in the work folder, as one of a run of this process or another."""

    def make(checksum, **owner):
        box = Box.new(work)
        whose = json.loads((box.folder / "owner.json").read_text()) | owner
        (box.folder / "owner.json").write_text(json.dumps(whose))
        (box.folder / "parcel.pkl").write_text("all")
        if checksum:
            note = {"token": box.folder.name, "worker": "dask", "scheduler": "tcp://there:8786", **whose}
            (box.root / f"{checksum}.json").write_text(json.dumps(note))
        return box.folder

    return make


def test_what_dead_runs_left_of_a_cluster_s_jobs_goes(work, left, capsys):
    dead = left("python-1", pid=4_000_000)
    unsubmitted = left(None, pid=4_000_000)
    strange = left("python-2", host="login2")
    assert main([str(work), "--dry-run"]) == 0 and dead.exists()
    capsys.readouterr()
    assert main([str(work)]) == 0
    said = capsys.readouterr().err.replace("\n", " ")
    assert "notes of 2 job(s) of runs that are gone deleted" in said and f"on login2 still needs {strange}" in said
    assert not dead.exists() and not unsubmitted.exists()
    assert sorted(path.name for path in (work / "remote").iterdir()) == sorted(["python-2.json", strange.name])


def test_a_folder_in_which_a_run_waits_for_a_cluster_is_left_alone(work, left, capsys):
    left("python-1")
    before = results(work)
    assert main([str(work)]) == 2 and results(work) == before
    assert f"the run of process {os.getpid()} on" in capsys.readouterr().err.replace("\n", " ")


def test_folders_that_are_none(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "is no folder: give a recipe's --work-dir" in capsys.readouterr().err.replace("\n", " ")
    (tmp_path / "bold.nii").write_text("")
    assert main([str(tmp_path)]) == 2 and (tmp_path / "bold.nii").exists()
    assert "holds no results of a recipe" in capsys.readouterr().err.replace("\n", " ")


def test_the_page_says_what_it_does():
    page = clean_parser("pydra-vae clean").format_help()
    assert "--keep-latest" in page and "--dry-run" in page and "exit status" in page
