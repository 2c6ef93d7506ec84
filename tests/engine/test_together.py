"""Jobs computed together: each result is stored as if its job had been alone, whatever goes wrong."""

import io
import json
import os
import signal
import time
from pathlib import Path

import pytest
from fileformats.generic import File
from pydra.compose import workflow
from rich.console import Console

from pydra_vae.engine import devices, together
from pydra_vae.engine.errors import StepDefinitionError
from pydra_vae.engine.runner import run
from pydra_vae.engine.step import step


@pytest.fixture
def grow(monkeypatch):
    """The toy step, importable in worker processes too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import toytogether

    return toytogether.Grow


class Garden:
    """A folder where toy steps are run together."""

    def __init__(self, folder: Path, grow):
        self.folder, self.grow = folder, grow

    def task(self, seed, **inputs):
        return self.grow(folder=str(self.folder), seed=seed, **inputs)

    def run(self, tasks, **options):
        """Run; the notes of this run, without process ids, come with the outcome."""
        (self.folder / "notes").unlink(missing_ok=True)
        shown = io.StringIO()
        options = {"work_dir": self.folder / "work", "n_procs": 2, "fits_together": 3, **options}
        outcome = run(tasks, console=Console(file=shown, width=400), **options)
        outcome.said, outcome.notes = shown.getvalue(), sorted(self.notes())
        return outcome

    def notes(self):
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.rsplit(" in ", 1)[0] for line in lines]

    def seeds(self, *seeds, more=None, **options):
        """Run one label for each seed; `more` has further inputs of some."""
        more = more or {}
        return self.run({f"s{seed}": self.task(seed, **more.get(seed, {})) for seed in seeds}, **options)


@pytest.fixture
def garden(grow, tmp_path):
    return Garden(tmp_path, grow)


def counts(outcome):
    (row,) = (row for row in outcome.table if row["step"] == "Grow")
    return row["computed"], row["reused"], row["failed"]


def texts(outcome):
    made = {label: (Path(out.out), Path(out.history)) for label, out in outcome.outputs.items()}
    assert all(out.parent == history.parent for out, history in made.values())
    assert len({out.parent for out, _ in made.values()}) == len(made)
    return {label: (out.read_text(), history.read_text()) for label, (out, history) in made.items()}


def history(seed, steps=4):
    numbers = range(seed, seed + steps)
    return str(sum(numbers)), " ".join(map(str, numbers))


# ---- results -------------------------------------------------------------------------------------


def test_only_missing_ones_are_computed_and_each_is_stored_as_if_alone(garden):
    alone = garden.seeds(1, fits_together=1)
    assert alone.notes == ["[1] at 0"]
    first = garden.seeds(1, 2, 3, 4)
    assert first.notes == ["[2, 3, 4] at 0"] and counts(first) == (3, 1, 0)
    assert texts(first) == {f"s{seed}": history(seed) for seed in (1, 2, 3, 4)}
    for limit in (1, 3, None):
        again = garden.seeds(1, 2, 3, 4, fits_together=limit)
        assert again.notes == [] and counts(again) == (0, 4, 0)
        assert texts(again) == texts(first)
    added = garden.seeds(1, 2, 3, 4, 5)
    assert added.notes == ["[5] at 0"] and counts(added) == (1, 4, 0)


def test_the_folders_are_those_of_jobs_computed_alone(garden):
    """The same files in the same folders, up to what tells the time."""
    both = [garden.seeds(1, 2, fits_together=limit, work_dir=garden.folder / f"w{limit}") for limit in (1, 2)]
    assert [outcome.notes for outcome in both] == [["[1] at 0", "[2] at 0"], ["[1, 2] at 0"]]
    contents = []
    for limit in (1, 2):
        work = garden.folder / f"w{limit}"
        contents.append({str(path.relative_to(work)): path for path in work.rglob("*") if path.is_file()})
    assert contents[0].keys() == contents[1].keys()
    for name in contents[0]:
        if Path(name).name in ("out.txt", "history.txt", "_sizes.json"):
            assert contents[0][name].read_bytes() == contents[1][name].read_bytes()
        if Path(name).name == "_step.json":
            records = [json.loads(content[name].read_text()) for content in contents]
            assert records[0]["hashes"] == records[1]["hashes"] and records[0]["inputs"] == records[1]["inputs"]
    assert not list((garden.folder / "w2" / "checkpoints").iterdir())


def test_groups_are_no_larger_than_asked_and_no_default_group_on_a_cpu(garden):
    assert garden.seeds(*range(7)).notes == ["[0, 1, 2] at 0", "[3, 4, 5] at 0", "[6] at 0"]
    assert garden.seeds(11, 12, 13, fits_together=None).notes == ["[11] at 0", "[12] at 0", "[13] at 0"]
    with pytest.raises(ValueError, match="fits_together is 0"):
        garden.seeds(1, fits_together=0)


def test_only_jobs_that_agree_are_together(garden):
    kinds = {1: "a", 2: "b", 3: "a", 4: "alone", 5: "b", 6: "alone"}
    more = {seed: {"kind": kind} for seed, kind in kinds.items()}
    assert garden.seeds(*kinds, more=more).notes == ["[1, 3] at 0", "[2, 5] at 0", "[4] at 0", "[6] at 0"]
    # another device is no other key, but another group
    more = {seed: {"device": device} for seed, device in ((7, "cpu"), (8, "auto"), (9, "cpu"))}
    assert garden.seeds(7, 8, 9, more=more).notes == ["[7, 9] at 0", "[8] at 0"]


@workflow.define(outputs=["out"])
def Sweep(folder: str, seeds: list[int]):
    from toytogether import Grow

    return workflow.add(Grow(folder=folder).split(seed=seeds).combine("seed")).out


@workflow.define(outputs=["out"])
def Nested(folder: str, seeds: list[int]):
    return workflow.add(Sweep(folder=folder, seeds=seeds)).out


def test_jobs_of_nested_workflows_and_of_several_labels(garden):
    folder = str(garden.folder)
    tasks = {"a": Nested(folder=folder, seeds=[1, 2]), "b": Sweep(folder=folder, seeds=[2, 3]), "c": garden.task(4)}
    outcome = garden.run(tasks, fits_together=9)
    assert outcome.notes == ["[1, 2, 3, 4] at 0"]
    assert counts(outcome) == (4, 1, 0)  # seed 2 is asked for twice
    assert [Path(file).read_text() for file in outcome.outputs["a"].out] == [history(1)[0], history(2)[0]]
    assert [Path(file).read_text() for file in outcome.outputs["b"].out] == [history(2)[0], history(3)[0]]


def test_what_is_told_and_kept_of_each(garden):
    outcome = garden.seeds(1, 2, verbose=1)
    for label in ("s1", "s2"):
        assert f"{label}  Grow  started" in outcome.said and f"{label}  Grow  done" in outcome.said
        folder = Path(outcome.outputs[label].out).parent
        assert (folder / "_log.txt").read_text() in ("grows 1 2\n", "grows 2 1\n")
        lines = [json.loads(line) for line in (folder / "_progress.jsonl").read_text().splitlines()]
        assert lines[-1]["step"] == lines[-1]["steps"] == 4
    (row,) = outcome.table
    assert row["why"] == "first run" and row["seconds"] < 5
    assert garden.seeds(3, 4, more={seed: {"steps": 5} for seed in (3, 4)}).table[0]["why"] == (
        "changed parameter seed, steps"
    )


def test_an_edit_of_the_module_that_computes_them_together_is_seen(lab):
    lab.write("pack/__init__.py", "")
    lab.write("pack/joint.py", JOINT)
    lab.write("pack/fits.py", FITS)
    lab.write("script.py", SCRIPT)
    assert lab.run("script.py").report == [[2, 0], ["joint 1", "joint 2"]]
    assert lab.run("script.py").report == [[0, 2], ["joint 1", "joint 2"]]
    lab.edit("pack/joint.py", "joint {", "new {")
    assert lab.run("script.py").report == [[2, 0], ["new 1", "new 2"]]


def test_code_edited_while_they_are_computed_is_refused(lab):
    lab.write("pack/__init__.py", "")
    edits = """open(__file__, "a").write("EDITED = 1\\n")\n        return [Path"""
    lab.write("pack/joint.py", JOINT.replace("return [Path", edits))
    lab.write("pack/fits.py", FITS)
    texts = "Path(outcome.outputs[label].out).read_text()"
    lab.write("script.py", SCRIPT.replace(texts, "outcome.failures[label].message"))
    (_, (first, second)) = lab.run("script.py").report
    for message in (first, second):
        assert "joint.py" in message and "start the run again" in message
    lab.write("pack/joint.py", JOINT)
    lab.write("script.py", SCRIPT)
    assert lab.run("script.py").report == [[2, 0], ["joint 1", "joint 2"]]


FITS = '''
    from pathlib import Path

    from fileformats.generic import File

    from pydra_vae.engine.step import step


    @step(outputs={"out": File}, together="pack.joint")
    def Fit(seed: int):
        Path("out").write_text(f"solo {seed}")
        return Path("out")
'''
JOINT = '''
    from pathlib import Path


    def together_key(inputs):
        return "all"


    def fit_together(calls):
        for inputs, cwd in calls:
            (cwd / "out").write_text(f"joint {inputs['seed']}")
        return [Path("out") for _ in calls]
'''
SCRIPT = '''
    import json
    from pathlib import Path

    from pack.fits import Fit
    from pydra_vae.engine.runner import run

    if __name__ == "__main__":
        outcome = run({str(seed): Fit(seed=seed) for seed in (1, 2)}, work_dir="work", fits_together=2)
        row, = outcome.table
        texts = [Path(outcome.outputs[label].out).read_text() for label in ("1", "2")]
        print(json.dumps([[row["computed"], row["reused"]], texts]))
'''


@step(outputs={"out": File}, together="pydra_vae_no_such_module")
def Unreachable(seed: int):
    return Path("out")


def test_a_module_that_the_digest_does_not_see_is_refused(garden):
    with pytest.raises(StepDefinitionError, match="pydra_vae_no_such_module, which is no part of its digest"):
        together.group_of(Unreachable(seed=1))
    assert garden.run({"a": Unreachable(seed=1)}).failures["a"].message.startswith("pydra_vae.engine.errors.StepDef")


def test_a_cuda_device_makes_groups_by_itself(monkeypatch):
    devices._is_cuda.cache_clear()
    assert devices.fits_together_default(["cpu"]) == devices.fits_together_default([]) == 1
    assert devices.fits_together_default(["cuda:1"]) == 15
    if not Path("/dev/nvidiactl").exists():
        assert devices.fits_together_default(["auto"]) == 1
    monkeypatch.setattr(devices, "_is_cuda", lambda device: device == "auto")
    assert devices.fits_together_default(("auto",)) == 15


# ---- trouble -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "message"),
    [("error", "seed 2 cannot grow"), ("kill", "was killed by signal 9"), ("exit", "was ended by SystemExit(3)")],
)
def test_only_the_culprit_fails(garden, trouble, message):
    outcome = garden.seeds(1, 2, 3, more={2: {"trouble": trouble}})
    assert set(outcome.outputs) == {"s1", "s3"} and counts(outcome) == (2, 0, 1)
    assert message in outcome.failures["s2"].message
    assert outcome.notes == ["[1, 2, 3] at 0", "[1] at 0", "[2] at 0", "[3] at 0"]
    assert "3 Grow together failed" in outcome.said and "3 tried alone" in outcome.said
    assert texts(outcome) == {"s1": history(1), "s3": history(3)}
    work = garden.folder / "work"
    assert not list(work.glob("*.lock")) and not list(work.glob("*_info.json"))
    assert not [path for path in (work / "checkpoints").iterdir() if path.name.startswith("together")]


@pytest.mark.parametrize("trouble", ["error together", "kill together"])
def test_what_only_fails_together_is_computed_alone(garden, trouble):
    outcome = garden.seeds(1, 2, more={2: {"trouble": trouble}})
    assert outcome.exit_code == 0 and counts(outcome) == (2, 0, 0)
    assert texts(outcome) == {"s1": history(1), "s2": history(2)}
    assert counts(garden.seeds(1, 2, more={2: {"trouble": trouble}})) == (0, 2, 0)


def test_an_input_changed_meanwhile_is_refused_for_those_that_read_it(garden):
    data = garden.folder / "data"
    data.write_text("good")
    more = {2: {"trouble": "spoil", "data": data}, 3: {"data": data}}
    outcome = garden.seeds(1, 2, 3, more=more)
    assert set(outcome.outputs) == {"s1"}
    for label in ("s2", "s3"):
        assert "input data of step Grow changed after this run had started" in outcome.failures[label].message
    data.write_text("good")
    again = garden.seeds(1, 3, more=more)
    assert counts(again) == (1, 1, 0)


def test_one_that_is_finished_meanwhile_drops_out(garden, grow):
    """As by another run, between this run's look and its lock."""
    from pydra.engine.job import Job
    from pydra.engine.submitter import Submitter

    from pydra_vae.engine.worker import LocalWorker

    garden.seeds(2)
    (garden.folder / "notes").unlink()
    with Submitter(worker=LocalWorker(n_procs=1), cache_root=garden.folder / "work") as submitter:
        for seeds, noted in (((1, 2, 3), ["[1, 3] at 0"]), ((4, 2), ["[4] at 0"]), ((1, 2), [])):
            jobs = [Job(garden.task(seed), submitter=submitter, name=str(seed)) for seed in seeds]
            before, here = (os.dup(number) for number in (1, 2)), Path.cwd()
            try:
                replies = together.Together(jobs, rerun=False).run()
            finally:
                for number, copy in zip((1, 2), before, strict=True):
                    os.dup2(copy, number)
                    os.close(copy)
            assert Path.cwd() == here
            known = {(1, 2, 3): [2], (4, 2): [2], (1, 2): [1, 2]}[seeds]
            assert [reply.computed for reply in replies] == [seed not in known for seed in seeds]
            assert not any(reply.failed for reply in replies)
            assert garden.notes() == noted
            (garden.folder / "notes").unlink(missing_ok=True)


# ---- kill, interrupt, two at once ----------------------------------------------------------------

RUN = '''
    import json
    import sys
    from pathlib import Path

    from pydra_vae.engine.runner import run
    from toytogether import Grow

    if __name__ == "__main__":
        what = json.loads(sys.argv[1])
        tasks = {
            str(seed): Grow(folder=str(Path.cwd()), seed=seed, trouble=what["trouble"].get(str(seed), ""))
            for seed in what["seeds"]
        }
        outcome = run(tasks, work_dir="work", n_procs=1, fits_together=what.get("together", 2))
        row, = outcome.table
        texts = {label: Path(out.history).read_text() for label, out in outcome.outputs.items()}
        print(json.dumps({"computed": row["computed"], "reused": row["reused"], "texts": texts}))
        sys.exit(outcome.exit_code)
'''


@pytest.fixture
def beds(lab):
    lab.path.append(Path(__file__).parent)
    lab.write("script.py", RUN)
    return lab


def ask(*seeds, trouble=None, **more):
    return json.dumps({"seeds": seeds, "trouble": trouble or {}, **more})


def notes(lab):
    path = lab.folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def paused(beds, tools, *seeds):
    """A run whose last group has made its checkpoint and waits; the run and its worker."""
    process = beds.start("script.py", ask(*seeds, trouble={seeds[-2]: "pause"}))
    tools.until(lambda: "paused" in notes(beds), "the group gets to its end")
    return process, int(notes(beds)[-2].rsplit(" ", 1)[1])


@pytest.mark.parametrize("whom", ["parent", "group"])
def test_killed_and_resumed(beds, tools, whom):
    process, worker = paused(beds, tools, 1, 2, 3, 4)
    kill = os.kill if whom == "parent" else os.killpg
    kill(process.pid, signal.SIGKILL)
    process.wait()
    tools.until(lambda: not tools.is_alive(worker), "the worker is gone", limit=20)
    (beds.folder / "notes").unlink()
    (beds.folder / "go on").touch()
    # a fifth comes first, and yet the pair is the one that was interrupted, and goes on from its checkpoint
    report = beds.run("script.py", ask(5, 1, 2, 3, 4, trouble={3: "pause"})).report
    assert report["texts"] == {str(seed): history(seed)[1] for seed in (1, 2, 3, 4, 5)}
    assert report["reused"] == 2
    assert sorted(line.rsplit(" in ", 1)[0] for line in notes(beds)) == ["[3, 4] at 4", "[5] at 0"]
    assert not list((beds.work / "checkpoints").iterdir())


def test_a_killed_worker_is_no_end_of_its_group(beds, tools):
    process, worker = paused(beds, tools, 1, 2)
    (beds.folder / "go on").touch()
    os.kill(worker, signal.SIGKILL)
    said = beds.end(process)
    assert said.report["texts"] == {str(seed): history(seed)[1] for seed in (1, 2)}
    assert "2 Grow together failed (its process" in said.err and "2 tried alone" in said.err
    assert not list(beds.work.glob("*.lock")) and not list((beds.work / "checkpoints").iterdir())


def test_two_runs_at_once_compute_one_set(beds):
    asked = ask(1, 2, 3, trouble={2: "slow"}, together=3)
    both = [beds.start("script.py", asked) for _ in range(2)]
    reports = [beds.end(process).report for process in both]
    assert len(notes(beds)) == 1 and notes(beds)[0].startswith("[1, 2, 3] at 0")
    assert sorted((report["computed"], report["reused"]) for report in reports) == [(0, 3), (3, 0)]
    assert reports[0]["texts"] == reports[1]["texts"]


def test_two_runs_of_sets_that_overlap(beds):
    one = beds.start("script.py", ask(1, 2, 3, trouble={2: "slow"}, together=3))
    two = beds.start("script.py", ask(4, 3, 2, trouble={2: "slow"}, together=3))
    reports = [beds.end(process).report for process in (one, two)]
    assert sum(report["computed"] for report in reports) == 4
    computed = [seed for line in notes(beds) for seed in json.loads(line.split(" at ")[0])]
    assert sorted(computed) == [1, 2, 3, 4]


def test_interrupted(beds, tools):
    process, worker = paused(beds, tools, 1, 2)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    said = beds.end(process, code=130)
    assert time.monotonic() - began < 10
    tools.until(lambda: not tools.is_alive(worker), "the worker is gone", limit=20)
    assert "Traceback" not in said.err and "Task" not in said.err and "together failed" not in said.err
    assert "interrupted" in said.err
    assert not list(beds.work.glob("*/_result.pklz")) and not list(beds.work.glob("*.lock"))
    (beds.folder / "go on").touch()
    report = beds.run("script.py", ask(1, 2, trouble={1: "pause"})).report
    assert report["computed"] == 2 and notes(beds)[-1].startswith("[1, 2] at 4")
