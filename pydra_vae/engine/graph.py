"""Workflows that keep the promise of the cache on any Pydra worker.

Pydra's own workers cache a workflow by its inputs and its own source text: a step edited inside it is not seen, and
the old result comes back. `define` is used as ``pydra.compose.workflow.define``, and makes the code that the workflow
can reach a part of its key, wherever Pydra hashes it: run alone, split, or inside another workflow. Our own runner and
`LocalWorker` never cache a workflow, and give the same results with either.
"""

import asyncio
import contextlib
import copy
import functools
import importlib
import typing as ty
from collections.abc import Callable
from pathlib import Path

import attrs
import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.core import FileSet
from pydra.compose import workflow
from pydra.compose.base import build_task_class
from pydra.engine.workflow import Workflow
from pydra.utils.general import get_fields

from pydra_vae.engine import digest
from pydra_vae.engine.step import StepFunction, check_is_importable, check_promise

__all__ = ["GraphTask", "define"]


class GraphFunction(StepFunction):
    """The function that lays out a workflow as Pydra holds it: hashed by name and reachable code, pickled by name."""

    kind = "workflow"

    @property
    def plain(self) -> Callable:
        """The function as it was written."""
        if self._function is None:
            self._function = getattr(importlib.import_module(self.__module__), self.__name__).graph
        return self._function

    def __call__(self, **inputs):
        return self.plain(**inputs)


@attrs.define(kw_only=True, auto_attribs=False, eq=False, repr=False)
class GraphTask(workflow.Task):
    """The Pydra task behind each workflow of ours."""

    def construct(self) -> Workflow:
        """The workflow's nodes with these inputs, laid out anew.

        Pydra remembers what it laid out, by instance even if an input was set since, and by the content of input
        files even if they lie elsewhere now.
        """
        Workflow.clear_cache()
        return Workflow.construct(self, dont_cache=True)

    def _run(self, job, rerun: bool) -> None:
        with self._kept_promise(job):
            super()._run(job, rerun)

    async def _run_async(self, job, rerun: bool) -> None:
        with self._kept_promise(job):
            await super()._run_async(job, rerun)

    @contextlib.contextmanager
    def _kept_promise(self, job):
        check_promise(self, job, self.constructor)
        job._errored = False  # or Pydra takes an earlier failure, now computed again, for this try's
        job.hooks = copy.copy(job.hooks)
        job.hooks.post_run_task = functools.partial(_link_outputs, job.hooks.post_run_task)
        try:
            yield
        except (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError) as stop:
            # Pydra stores these as a success without outputs
            raise RuntimeError(f"workflow {type(self).__name__} was ended by {type(stop).__name__}") from stop
        check_promise(self, job, self.constructor)


def _link_outputs(then: Callable, job, result):
    """Link a workflow's files into its folder, each under its own name, before Pydra would.

    Pydra links all into one folder: of two runs' ``denoised.nii.gz`` one becomes ``denoised.nii (1).gz``, which nothing
    reads, and which is another key for what follows.
    """
    if result.outputs is not None:
        for field in get_fields(result.outputs):
            linked = _linked(getattr(result.outputs, field.name), job.cache_dir / field.name)
            setattr(result.outputs, field.name, linked)
        result.task = None  # there is nothing left for Pydra to link
    then(job, result)


def _linked(value, folder: Path):
    if isinstance(value, list | tuple):
        return type(value)(_linked(item, folder / str(index)) for index, item in enumerate(value))
    if not isinstance(value, FileSet):
        return value
    folder.mkdir(parents=True)
    return value.copy(folder, mode=FileSet.CopyMode.hardlink_or_copy)


def define(outputs: dict[str, type] | list[str]) -> Callable[[Callable], type[GraphTask]]:
    """Make a Pydra workflow class of a function; nodes are added in it with ``pydra.compose.workflow.add``.

    Parameters
    ----------
    outputs : dict or list
        Name and type of what the function returns, in that order; or names alone.

    Returns
    -------
    decorator
        Gives a Pydra workflow class with the function's name, whose `graph` is the function itself.

    Raises
    ------
    StepDefinitionError
        If the function is a closure or lives in no file (a cell of a notebook, say).
    """

    def decorate(function: Callable) -> type[GraphTask]:
        check_is_importable(function, "workflow")
        read = workflow.define(function, outputs=outputs)
        inputs = {field.name: field for field in get_fields(read)}
        salted = GraphFunction(function.__module__, function.__name__, function)
        inputs["constructor"] = workflow.arg(name="constructor", type=ty.Callable, hash_eq=True, default=salted)
        task = build_task_class(
            workflow.Task,
            workflow.Outputs,
            inputs,
            {field.name: field for field in get_fields(read.Outputs)},
            name=function.__name__,
            bases=(GraphTask,),
        )
        task.__doc__, task.__module__, task.__qualname__ = function.__doc__, function.__module__, function.__qualname__
        task.Outputs.__module__, task.Outputs.__name__ = function.__module__, "Outputs"
        task.Outputs.__qualname__ = f"{function.__qualname__}.Outputs"
        task.graph = staticmethod(function)
        digest.register(function.__module__)
        return task

    return decorate
