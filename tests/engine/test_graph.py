"""Workflows of ours on Pydra's own workers: an edit recomputes what depends on it, and nothing is stored wrongly.

A lab's package with two steps and workflows of each kind: ours, the lab's own with a `code` parameter, split, nested.
"""

import os
import signal
from pathlib import Path

import pytest
from pydra.compose import workflow
from pydra.engine.submitter import Submitter
from pydra.utils.general import get_fields

from pydra_vae.engine import graph
from pydra_vae.engine.errors import StepDefinitionError
from pydra_vae.engine.runner import run
from pydra_vae.engine.step import digest_of
from pydra_vae.workflows import finn, motor, structural
from pydra_vae.workflows.motor_parts import RecordingSeries

LOAD = '''
    from pathlib import Path

    from fileformats.generic import File

    from mylab.counting import computed
    from pydra_vae.engine.step import step


    @step(outputs={"series": File})
    def Load(bold: File):
        """Read."""
        computed("Load")
        Path("series.txt").write_text(Path(bold).read_text().strip())
        return "series.txt"
'''
FIT = '''
    from pathlib import Path

    from fileformats.generic import File

    from mylab.counting import computed
    from pydra_vae.engine.step import step


    @step(outputs={"model": File})
    def Fit(series: File, seed: int = 0):
        """Fit."""
        from mylab import helper

        computed("Fit")
        Path("model.txt").write_text(f"{helper.mean(Path(series).read_text())} {seed}")
        return "model.txt"
'''
COUNTING = """
    import os


    def computed(name):
        with open(os.environ["COMPUTED"], "a") as file:
            file.write(name + " ")
"""
FLOWS = """
    from fileformats.generic import File
    from pydra.compose import workflow

    from mylab.fit import Fit
    from mylab.load import Load
    from pydra_vae.engine import graph
    from pydra_vae.engine.step import digest_of


    @graph.define(outputs={"model": File})
    def Subject(bold: File, seed: int = 0):
        load = workflow.add(Load(bold=bold))
        return workflow.add(Fit(series=load.series, seed=seed)).model


    @graph.define(outputs={"model": File})
    def Nested(bold: File):
        return workflow.add(Subject(bold=bold)).model


    @workflow.define(outputs={"models": list[File]})
    def Lab(bolds: list[File], code: str = digest_of(Subject)):
        return workflow.add(Nested().split(bold=bolds).combine("bold")).model


    @workflow.define(outputs={"models": list[File]})
    def Careless(bolds: list[File]):
        return workflow.add(Nested().split(bold=bolds).combine("bold")).model
"""
RUN = """
    import json
    import os
    import sys
    from pathlib import Path

    from pydra.engine.submitter import Submitter

    from mylab.flows import Careless, Lab, Nested, Subject
    from pydra_vae.engine.runner import run
    from pydra_vae.engine.worker import LocalWorker

    BOLDS = ["one.txt", "two.txt"]
    TASKS = {
        "lab": lambda: Lab(bolds=BOLDS),
        "careless": lambda: Careless(bolds=BOLDS),
        "nested": lambda: Nested(bold="one.txt"),
        "split": lambda: Subject().split("bold", bold=BOLDS),
    }


    def words(value):
        return [words(v) for v in value] if isinstance(value, list) else Path(value).read_text()


    if __name__ == "__main__":
        worker, found = sys.argv[1], {}
        for name in sys.argv[2:]:
            if worker == "run":
                outcome = run({name: TASKS[name]()}, work_dir="work", n_procs=2)
                outputs = outcome.outputs[name]
            else:
                made = LocalWorker(n_procs=2) if worker == "ours" else worker
                with Submitter(worker=made, cache_root="work") as submitter:
                    outputs = submitter(TASKS[name](), raise_errors=True).outputs
            found[name] = words(getattr(outputs, "models", None) or outputs.model)
        file = Path(os.environ["COMPUTED"])
        print(json.dumps({"found": found, "computed": sorted(file.read_text().split()) if file.exists() else []}))
"""
MEAN = "def mean(text):\n    return sum(map(float, text.split())) / {}\n"


@pytest.fixture
def mylab(lab, monkeypatch):
    """The lab's package and its files; `go` runs and says what came of it and what was computed."""
    lab.write("mylab/__init__.py", "")
    lab.write("mylab/load.py", LOAD)
    lab.write("mylab/fit.py", FIT)
    lab.write("mylab/counting.py", COUNTING)
    lab.write("mylab/flows.py", FLOWS)
    lab.write("mylab/helper.py", MEAN.format(1))
    lab.write("script.py", RUN)
    for name, text in {"one": "1 2", "two": "3 4"}.items():
        lab.write(f"{name}.txt", text)
    file = lab.folder / "computed.txt"
    monkeypatch.setenv("COMPUTED", str(file))

    def go(*arguments):
        file.unlink(missing_ok=True)
        return lab.run("script.py", *arguments).report

    lab.go = go
    return lab


FOUND = {"lab": ["3.0 0", "7.0 0"], "split": ["3.0 0", "7.0 0"], "nested": "3.0 0"}
EDITED = {"lab": ["1.5 0", "3.5 0"], "split": ["1.5 0", "3.5 0"], "nested": "1.5 0"}


@pytest.mark.parametrize("worker", [pytest.param("debug", marks=pytest.mark.slow), "cf"])
def test_an_edit_is_seen_by_pydra_s_own_workers(mylab, worker):
    first = mylab.go(worker, *FOUND)
    assert first["found"] == FOUND
    assert first["computed"] == ["Fit", "Fit", "Load", "Load"]
    assert mylab.go(worker, *FOUND) == {"found": FOUND, "computed": []}
    mylab.write("mylab/helper.py", MEAN.format(2))
    assert mylab.go(worker, *FOUND) == {"found": EDITED, "computed": ["Fit", "Fit"]}
    mylab.write("mylab/helper.py", "# a comment\n" + MEAN.format(1))
    assert mylab.go(worker, *FOUND) == {"found": FOUND, "computed": []}


def test_every_way_of_running_shares_one_cache(mylab):
    assert mylab.go("ours", *FOUND)["computed"] == ["Fit", "Fit", "Load", "Load"]
    for worker in ("debug", "run"):
        names = [name for name in FOUND if (worker, name) != ("run", "split")]
        assert mylab.go(worker, *names) == {"found": {name: FOUND[name] for name in names}, "computed": []}


@pytest.mark.slow
def test_why_a_plain_workflow_needs_the_line(mylab):
    """Should this fail after an upgrade of Pydra: the parameter and docs/embedding.md have had their day."""
    before = mylab.go("debug", "careless")["found"]
    mylab.write("mylab/helper.py", MEAN.format(2))
    assert mylab.go("debug", "careless") == {"found": before, "computed": []}
    assert mylab.go("ours", "careless")["found"] == {"careless": EDITED["lab"]}


# ---- in a process that lives on ------------------------------------------------------------------

LIVING = """
    import asyncio
    import sys
    from pathlib import Path

    from pydra.compose import workflow
    from pydra.engine.submitter import Submitter

    import mylab.helper
    from mylab.flows import Nested, Subject


    def go(task, root="work"):
        with Submitter(worker=sys.argv[1], cache_root=root) as submitter:
            return Path(submitter(task, raise_errors=True).outputs.model).read_text()


    if __name__ == "__main__":
        subject = Subject(bold="one.txt")
        print(go(subject))
        subject.seed = 5
        print(go(subject))
        for folder in (Path("here"), Path("there")):  # as a scratch folder of each night's run
            folder.mkdir()
            (folder / "three.txt").write_text("1 2 3")
            print(go(Subject(bold=folder / "three.txt"), f"work-{folder}"))
            (folder / "three.txt").unlink()
        Path("mylab/helper.py").write_text("def mean(text): return 'new'")
        try:
            go(Nested(bold="two.txt"))  # whose steps have keys of the new code, in a process with the old
        except Exception as error:
            print(error)
"""


@pytest.mark.parametrize("worker", ["debug", pytest.param("cf", marks=pytest.mark.slow)])
def test_a_living_process_lays_out_each_workflow_anew_and_refuses_code_edited_since(mylab, worker):
    mylab.write("living.py", LIVING)
    said = mylab.run("living.py", worker).out.splitlines()
    assert said[:4] == ["3.0 0", "3.0 5", "6.0 0", "6.0 0"]
    assert any(
        "helper.py was edited after this process had loaded it; start the run again" in line for line in said[4:]
    )
    assert mylab.go(worker, "lab")["found"] == {"lab": ["new 0", "new 0"]}


SLOW = """
    import os
    import time
    from pathlib import Path

    from fileformats.generic import File
    from pydra.compose import workflow
    from pydra.engine.submitter import Submitter

    from pydra_vae.engine import graph
    from pydra_vae.engine.step import step


    @step(outputs={"out": File})
    def Sleep(seconds: float):
        Path(os.environ["COMPUTED"]).write_text("sleeps")
        time.sleep(seconds)
        Path("out.txt").write_text("slept")
        return "out.txt"


    @graph.define(outputs={"out": File})
    def Inner(seconds: float):
        return workflow.add(Sleep(seconds=seconds)).out


    @graph.define(outputs={"out": File})
    def Outer(seconds: float):
        return workflow.add(Inner(seconds=seconds)).out


    if __name__ == "__main__":
        import sys

        with Submitter(worker=sys.argv[1], cache_root="work") as submitter:
            print(Path(submitter(Outer(seconds=1.5), raise_errors=True).outputs.out).read_text())
"""


@pytest.mark.parametrize("worker", [pytest.param("debug", marks=pytest.mark.slow), "cf"])
def test_an_interrupted_workflow_is_no_success_without_outputs(mylab, worker, tools):
    """What Pydra makes of ^C, and takes for the result ever after."""
    mylab.write("slow.py", SLOW)
    process = mylab.start("slow.py", worker)
    tools.until((mylab.folder / "computed.txt").exists, "the step starts")
    os.killpg(process.pid, signal.SIGINT)
    assert mylab.end(process, code=None).code != 0
    assert mylab.run("slow.py", worker).out.splitlines()[-1] == "slept"


SAME_NAMES = """
    import sys
    from pathlib import Path

    from fileformats.generic import File
    from pydra.compose import workflow
    from pydra.engine.submitter import Submitter

    from pydra_vae.engine import graph
    from pydra_vae.engine.runner import run
    from pydra_vae.engine.step import digest_of, step


    @step(outputs={"image": File})
    def Image(n: int):
        Path("image.nii.gz").write_text(str(n))
        return "image.nii.gz"


    @step(outputs={"names": File})
    def Names(images: list[File]):
        Path("names.txt").write_text(" ".join(Path(image).name + Path(image).read_text() for image in images))
        return "names.txt"


    @graph.define(outputs={"images": list[File], "one": File})
    def Images(ns: list[int]):
        images = workflow.add(Image().split(n=ns).combine("n")).image
        return images, workflow.add(Image(n=9), name="one").image


    @graph.define(outputs={"names": File})
    def Read(ns: list[int], code: str = digest_of(Images)):
        return workflow.add(Names(images=workflow.add(Images(ns=ns)).images)).names


    if __name__ == "__main__":
        read = Read(ns=[1, 2])
        if sys.argv[1] == "run":
            outcome = run({"read": read}, work_dir="work", n_procs=1)
            print(sum(row["computed"] for row in outcome.table), Path(outcome.outputs["read"].names).read_text())
        else:
            with Submitter(worker="debug", cache_root="work") as submitter:
                print(Path(submitter(read).outputs.names).read_text())
"""


def test_files_of_one_name_keep_it(lab):
    """Pydra's `image.nii (1).gz` is read by nothing; and digests are right in a script that a worker still imports."""
    lab.write("names.py", SAME_NAMES)
    assert lab.run("names.py", "run").out.splitlines()[-1] == "4 image.nii.gz1 image.nii.gz2"
    assert lab.run("names.py", "debug").out.splitlines()[-1] == "image.nii.gz1 image.nii.gz2"


def test_a_split_task_is_refused_by_run(lab, toys):
    for task in (toys.Copy().split(text=["a", "b"]), toys.Copy().split(text=["a"]).combine("text")):
        with pytest.raises(ValueError, match=r"task of 'both' is split: .*LocalWorker"):
            run({"one": toys.Copy(text="a"), "both": task}, work_dir=lab.work)
    assert not lab.work.exists()


# ---- definitions ---------------------------------------------------------------------------------


@workflow.define(outputs=["x"])
def Plain(x: int):
    return x


def test_every_workflow_of_the_recipes_is_ours():
    """With plain `workflow.define` it would not see an edited step on a plain worker."""
    for file in sorted(Path(finn.__file__).parent.glob("*.py")):
        assert "workflow.define" not in file.read_text(encoding="utf-8"), file
    for name in (finn.SubjectCvae, motor.TiVaeModel, structural.VolumeModel):
        assert issubclass(name, graph.GraphTask)
        assert name.Outputs.__module__ == name.__module__


def test_a_digest_of_several_is_none_of_theirs(toys):
    both = digest_of(toys.Copy, RecordingSeries)
    assert len({both, digest_of(toys.Copy), digest_of(RecordingSeries)}) == 3
    assert len(both) == 32


def test_what_has_no_digest_is_told():
    with pytest.raises(TypeError, match=r"Plain is neither a step nor a workflow of pydra_vae's engine.*graph\.define"):
        digest_of(Plain)


def test_a_closure_is_refused():
    with pytest.raises(StepDefinitionError, match=r"workflow .*Inside is defined inside another function"):

        @graph.define(outputs=["x"])
        def Inside(x: int):
            return x


def test_two_workflows_of_one_text_in_two_modules_share_nothing(lab, monkeypatch):
    """Pydra hashes a function's text: which step its names stand for it does not see."""
    for name, word in {"alpha": "a", "beta": "b"}.items():
        lab.write(
            f"{name}.py",
            f"""
            from pathlib import Path

            from fileformats.generic import File
            from pydra.compose import workflow

            from pydra_vae.engine import graph
            from pydra_vae.engine.step import step


            @step(outputs={{"out": File}})
            def Word(n: int):
                Path("out.txt").write_text("{word}" * n)
                return "out.txt"


            @graph.define(outputs={{"out": File}})
            def Flow(n: int):
                return workflow.add(Word(n=n)).out
            """,
        )
    monkeypatch.syspath_prepend(str(lab.folder))
    import alpha
    import beta

    with Submitter(worker="debug", cache_root=lab.work) as submitter:
        found = [Path(submitter(module.Flow(n=2)).outputs.out).read_text() for module in (alpha, beta)]
    assert found == ["aa", "bb"]
    assert [field.name for field in get_fields(alpha.Flow)] == ["n", "constructor"]
