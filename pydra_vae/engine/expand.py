"""A workflow taken apart at every run: its nodes are jobs of their own, and nothing of the workflow itself is stored.

The private parts of Pydra used here are held by tests/engine/test_pydra_contract.py.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pydra.engine.job import Job
from pydra.engine.result import Result
from pydra.engine.workflow import Workflow

from pydra_vae.engine.errors import Failure, StepFailed
from pydra_vae.engine.prehash import hash_big_files


async def expand(job: Job, rerun: bool, submit: Callable) -> Result:
    """Run a workflow's nodes as their inputs become ready; nothing of the workflow itself is stored.

    Nodes that do not depend on a failed one still run.

    Raises
    ------
    StepFailed
        With the failures of all nodes, nested ones included.
    """
    await hash_big_files(job.task)
    # Pydra remembers constructed workflows by their source text: two closures would share one.
    Workflow.clear_cache()
    workflow = Workflow.construct(job.task, dont_cache=True)
    graph = workflow.execution_graph(submitter=job.submitter)
    job.return_values = {"workflow": workflow, "exec_graph": graph}
    nodes = _Nodes(job.submitter, graph, lambda ready: submit(ready, rerun))
    try:
        await nodes.finish()
    finally:
        await nodes.cancel()
    if nodes.failures:
        job._errored = True
        raise StepFailed(nodes.failures)
    outputs = job.task.Outputs._from_job(job)
    job._cached_result = Result(cache_dir=job.cache_dir, outputs=outputs, task=job.task)
    return job._cached_result


@dataclass
class _Nodes:
    """The jobs of one workflow under way."""

    submitter: object
    graph: object
    submit: Callable
    failures: list[Failure] = field(default_factory=list)
    running: dict[asyncio.Task, Job] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)

    async def finish(self):
        while self.start_ready():
            await self.until_a_node_is_finished()

    def start_ready(self) -> bool:
        for job in self.submitter.get_runnable_tasks(self.graph):
            if id(job) not in self.known:
                self.known.add(id(job))
                self.running[asyncio.ensure_future(self.submit(job))] = job
        return bool(self.running)

    async def until_a_node_is_finished(self):
        """Asking Pydra after each job of a wide split what is ready now would cost the square of its width."""
        while self.running:
            done, _ = await asyncio.wait(self.running, return_when=asyncio.FIRST_COMPLETED)
            names = {self.collect(task) for task in done}
            if not names <= {job.name for job in self.running.values()}:
                return

    def collect(self, task: asyncio.Task) -> str:
        job = self.running.pop(task)
        try:
            task.result()
        except StepFailed as failed:
            job._errored = True
            self.failures += failed.failures
        return job.name

    async def cancel(self):
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)
