"""What `pydra-vae clean` may delete: only what no run with today's code and files could find."""

import json
import shutil
from pathlib import Path

import cloudpickle
import pytest
from fileformats.generic import File

from pydra_vae.engine import context, reach
from pydra_vae.engine.reach import remove, survey
from pydra_vae.engine.runner import run
from pydra_vae.engine.why import RECORD


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A folder with the work folder of a run of two steps: one over a user's file, one over nothing."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        import toysteps

        (folder / "in").mkdir()
        (folder / "in" / "bold.txt").write_text("bold")
        tasks = {"a": toysteps.Scale(series=[File(folder / "in" / "bold.txt")]), "b": toysteps.Copy(text="b")}
        assert run(tasks, work_dir=folder / "work", n_procs=1, verbose=0).exit_code == 0
    return folder


@pytest.fixture
def work(done, toys, tmp_path):
    """A copy of that work folder; the user's file is put back afterwards."""
    yield Path(shutil.copytree(done / "work", tmp_path / "work"))
    shutil.rmtree(done / "in", ignore_errors=True)
    (done / "in").mkdir()
    (done / "in" / "bold.txt").write_text("bold")


def lost(work):
    return {one.step: one.lost for one in survey(work)}


def folder_of(work, step):
    return next(one.folder for one in survey(work) if one.step == step)


def rewrite(folder, **values):
    path = folder / RECORD
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_all_of_a_moved_folder_is_within_reach_and_others_folders_are_not_looked_at(work):
    for name in ("python-0123", "node"):  # a plain Pydra task's, a Nipype node's
        (work / name).mkdir()
        (work / name / "_result.pklz").write_bytes(b"")
    assert lost(work) == {"Scale": "", "Copy": ""}


def test_an_input_that_changed_or_was_deleted(work, done):
    bold = done / "in" / "bold.txt"
    bold.write_text("other")
    assert lost(work) == {"Scale": "input series changed", "Copy": ""}
    bold.unlink()
    assert lost(work)["Scale"] == f"{bold} is gone"


@pytest.mark.parametrize("how", ["not mounted", "dropped"])
def test_what_may_come_back_keeps_its_results(work, done, how):
    bold = done / "in" / "bold.txt"
    if how == "dropped":  # DataLad: a link to content that is not here
        bold.unlink()
        bold.symlink_to("../.git/annex/objects/nowhere")
    else:
        shutil.rmtree(done / "in")
    (one,) = (one for one in survey(work) if one.step == "Scale")
    assert one.lost == "" and one.absent == bold


@pytest.mark.parametrize("step", ["__main__.Copy", "elsewhere.steps.Copy", "json.steps.Copy"])
def test_steps_whose_code_is_not_to_be_found_here_stay(work, step):
    """Of a script, of a package that is not on the path, and of one that shares its name with another."""
    folder = folder_of(work, "Copy")
    rewrite(folder, step=step)
    (folder / reach.JOB).write_bytes(b"cno_such_module\nStep\n.")
    assert lost(work)["Copy"] == ""


@pytest.mark.parametrize("step", ["pydra_vae.tasks.no_such_step.Copy", "toysteps.NoSuchStep"])
def test_steps_that_are_no_more(work, step):
    folder = folder_of(work, "Copy")
    rewrite(folder, step=step)
    (folder / reach.JOB).write_bytes(b"cno_such_module\nStep\n.")
    assert lost(work)[step.rpartition(".")[2]] == reach.GONE


def test_a_step_that_has_a_new_input_since(work, monkeypatch):
    job = cloudpickle.loads((folder_of(work, "Copy") / reach.JOB).read_bytes())
    job.cache_root = work  # the folder was not moved
    delattr(job.task, "text")
    monkeypatch.setattr(reach.cloudpickle, "loads", lambda _: job)
    assert lost(work)["Copy"] == reach.EDITED


@pytest.mark.parametrize("content", [None, b"", b"\x80\x05"])
def test_inputs_that_were_cut_off_say_nothing_of_the_result(work, content):
    job = folder_of(work, "Copy") / reach.JOB
    job.unlink() if content is None else job.write_bytes(content)
    assert lost(work)["Copy"] == ""


def test_an_interrupted_step_stays_where_it_can_go_on(work):
    folder = folder_of(work, "Copy")
    (folder / "_result.pklz").unlink()
    assert lost(work)["Copy"] == reach.UNFINISHED
    checkpoint = context.checkpoint_path(work, folder.name)
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_bytes(b"half of a fit")
    assert lost(work)["Copy"] == ""
    (one,) = (one for one in survey(work) if one.step == "Copy")
    remove(one)
    assert not folder.exists() and not checkpoint.exists()


FIRST = """
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine.step import step

    from helping import made


    @step(outputs={"out": File})
    def First(text: str):
        Path("out.txt").write_text(made(text))
        return Path("out.txt")
"""
SECOND = """
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine.step import step


    @step(outputs={"out": File})
    def Second(file: File):
        Path("out.txt").write_text(Path(file).read_text() + "2")
        return Path("out.txt")
"""
RUN = """
    import json

    from pydra.compose import workflow
    from first import First
    from second import Second

    from pydra_vae.engine.runner import run


    @workflow.define(outputs=["out"])
    def Both(text: str):
        first = workflow.add(First(text=text))
        return workflow.add(Second(file=first.out)).out


    if __name__ == "__main__":
        outcome = run({"a": Both(text="a")}, work_dir="work", n_procs=1, verbose=0)
        print(json.dumps({row["step"]: row["computed"] for row in outcome.table}))
"""
CLEAN = """
    import json
    from pathlib import Path

    from pydra_vae.engine.reach import latest, remove, survey

    found = survey(Path("work"))
    newest = latest(found)
    for one in found:
        if one.lost:
            remove(one)
    print(json.dumps([sorted((one.step, one.lost) for one in found if one.lost), len(found), len(newest)]))
"""


def test_an_edit_puts_out_of_reach_what_depends_on_it_and_a_run_afterwards_finds_the_rest(lab):
    lab.write("helping.py", "def made(text):\n    return text\n")
    for name, text in (("first.py", FIRST), ("second.py", SECOND), ("go.py", RUN), ("clean.py", CLEAN)):
        lab.write(name, text)
    lab.run("go.py")
    lab.edit("helping.py", "return text", "return text + '!'")
    assert lab.run("go.py").report == {"First": 1, "Second": 1}
    out, n_found, n_latest = lab.run("clean.py").report
    assert out == [["First", reach.EDITED], ["Second", "it was made from an older result of First"]]
    assert (n_found, n_latest) == (4, 2)
    lab.edit("helping.py", "return text + '!'", "return f'{text}!'")  # says the same in other words
    assert lab.run("go.py").report == {"First": 1, "Second": 0}
    out, *_ = lab.run("clean.py").report
    assert out == [["First", reach.EDITED]]
    assert lab.run("go.py").report == {"First": 0, "Second": 0}
