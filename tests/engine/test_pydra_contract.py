"""Point 10: the private parts of Pydra that the engine leans on, and the exact pin.

A failure here after an upgrade says which of them changed; the docstring of each test says who needs it.
"""

import asyncio
import configparser
import inspect
import re
from importlib import metadata
from pathlib import Path

import attrs
import pytest
from fileformats.generic import File
from pydra.compose import python, workflow
from pydra.engine.hooks import TaskHooks
from pydra.engine.job import Job
from pydra.engine.result import Result, load_result
from pydra.engine.submitter import NodeExecution, Submitter
from pydra.engine.workflow import Workflow
from pydra.utils.hash import bytes_repr
from pydra.workers import base

from pydra_vae.engine import hashing
from pydra_vae.engine.worker import LocalWorker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def submitter(tmp_path):
    with Submitter(worker=LocalWorker(n_procs=1), cache_root=tmp_path / "work") as made:
        yield made


def test_the_pin_is_exact():
    assert metadata.version("pydra") == "1.0a12"
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert "pydra==1.0a12" in config["options"]["install_requires"].splitlines()
    constraints = ROOT / "constraints.txt"
    if constraints.exists():
        assert re.search(r"^pydra==1\.0a12$", constraints.read_text(), re.M)


def test_task(toys, submitter):
    """step.StepTask: what it overrides is what Pydra calls, and the checksum is made of it."""
    for name in ("_compute_hashes", "_run", "_hash_changes"):
        assert callable(getattr(python.Task, name))
    assert list(inspect.signature(python.Task._run).parameters) == ["self", "job", "rerun"]
    task = toys.Copy(text="a")
    assert task._hashes is None
    assert task._checksum == f"{task._task_type()}-{task._compute_hashes()[0]}"
    assert set(task._hashes) == {"text", "function", "Outputs"}
    job = Job(task, submitter=submitter, name="a")
    assert job.cache_dir == submitter.cache_root / job.checksum
    assert job.lockfile == job.cache_dir.with_suffix(".lock")
    assert {"_cached_result", "_errored", "return_values", "uid", "all_caches"} <= set(vars(job)) | set(dir(job))


def test_hooks(toys, submitter):
    """child: `pre_run_task` runs in the step's own folder and can be replaced."""
    seen = []
    job = Job(toys.Copy(text="a"), submitter=submitter, name="a", hooks=TaskHooks())
    job.hooks.pre_run_task = lambda job: seen.append((Path.cwd(), list(job.cache_dir.iterdir())))
    job.run()
    assert seen[0][0] == job.cache_dir
    assert [path.name for path in seen[0][1]] == ["_job.pklz"]


def test_results_and_errors_on_disk(toys, submitter):
    """results, why: names and fields of what Pydra stores."""
    good, bad = (Job(task, submitter=submitter, name="x") for task in (toys.Copy(text="a"), toys.Stops(how="error")))
    good.run()
    result = load_result(good.checksum, good.all_caches)
    assert not result.errored and Path(result.outputs.out).parent == good.cache_dir
    assert (good.cache_dir / "_result.pklz").exists()
    with pytest.raises(ValueError):
        bad.run()
    assert load_result(bad.checksum, bad.all_caches).errored
    assert (bad.cache_dir / "_error.pklz").exists()
    assert {field.name for field in attrs.fields(Result)} >= {"cache_dir", "outputs", "errored", "task"}


def test_pydra_still_takes_an_interrupt_for_a_success(submitter):
    """child._spoil and step.StepFunction: needed as long as this holds."""
    job = Job(Interrupted(x=1), submitter=submitter, name="x")
    with pytest.raises(KeyboardInterrupt):
        job.run()
    result = load_result(job.checksum, job.all_caches)
    assert not result.errored and result.outputs is None


@python.define(outputs=["out"])
def Interrupted(x: int) -> int:
    raise KeyboardInterrupt


@python.define(outputs=["out"])
def AddOne(x: int) -> int:
    return x + 1


@workflow.define(outputs=["out", "outs"])
def Flow(x: int):
    one = workflow.add(AddOne(x=x))
    many = workflow.add(AddOne(x=one.out), name="two")
    return many.out, workflow.add(AddOne().split(x=[1, 2]).combine("x"), name="three").out


def test_expanding_a_workflow(submitter):
    """worker.expand, as written there, with jobs answered by hand."""
    job = Job(Flow(x=1), submitter=submitter, name="flow")
    Workflow.clear_cache()
    made = Workflow.construct(job.task, dont_cache=True)
    assert Workflow.construct(job.task, dont_cache=True) is not made
    graph = made.execution_graph(submitter=submitter)
    job.return_values = {"workflow": made, "exec_graph": graph}
    for expected in (["AddOne", "three", "three"], ["two"], []):
        ready = submitter.get_runnable_tasks(graph)
        assert sorted(node.name for node in ready) == expected
        for node in ready:
            outputs = type(node.task).Outputs(out=node.task.x + 1)
            node._cached_result = Result(cache_dir=node.cache_dir, outputs=outputs, task=node.task)
    outputs = job.task.Outputs._from_job(job)
    assert (outputs.out, outputs.outs) == (3, [2, 3])
    assert all(isinstance(node, NodeExecution) and node.done for node in graph.nodes)


def test_worker():
    """worker.LocalWorker: where Pydra calls it."""
    assert inspect.iscoroutinefunction(LocalWorker.run) and LocalWorker(n_procs=1).is_async
    assert list(inspect.signature(base.Worker.submit).parameters) == ["self", "job", "rerun"]
    assert LocalWorker.plugin_name() == "local"
    assert "_etelemetry_checked" in vars(Job)
    assert asyncio.iscoroutinefunction(base.Worker.submit)


def test_file_hash_is_ours():
    """hashing: the last to register for all files wins, also for their subtypes."""
    for kind in (File, *File.__subclasses__()[:5]):
        assert bytes_repr.dispatch(kind) is hashing.bytes_repr_fileset
