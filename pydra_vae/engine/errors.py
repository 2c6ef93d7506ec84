"""What the engine says when it refuses or when a step fails.

Every message says what was found, what was needed and what to do.
"""

from dataclasses import dataclass
from pathlib import Path


class EngineError(RuntimeError):
    """Anything the engine itself has to say."""


class StepDefinitionError(EngineError):
    """A function that cannot be a step."""


class ChangedDuringRun(EngineError):
    """Code or an input file changed after the run had computed the step's key."""


class NestedRun(EngineError):
    """A run was started inside a worker process: a script without the `__main__` guard."""


class WorkerDied(EngineError):
    """A worker process ended without an answer.

    Attributes
    ----------
    exit_code : int or None
        Of the process; −9 if it was killed by signal 9.
    started : bool
        Whether it had ever been ready for work.
    """

    def __init__(self, message: str, exit_code: int | None = None, started: bool = True):
        super().__init__(message)
        self.exit_code, self.started = exit_code, started


class LockedStep(EngineError):
    """Somebody else's lock is on a step, and waiting for it could take for ever."""


@dataclass
class Failure:
    """One failed step.

    Attributes
    ----------
    step : str
        Name of the step, or "" where the failure lies outside of any step.
    message : str
        The last line of the traceback: the exception and its text.
    traceback : str
        The traceback as the step's own process had it, from the step's function on.
    crash_file : Path or None
        Text file with the whole story: inputs, traceback, the tail of the step's log.
    """

    step: str
    message: str
    traceback: str
    crash_file: Path | None = None

    def __str__(self):
        where = f"\ncrash file: {self.crash_file}" if self.crash_file else ""
        return f"{self.step or 'run'} failed: {self.message}\n{self.traceback}{where}"


class StepFailed(EngineError):
    """One or more steps of a job failed; `failures` has them all."""

    def __init__(self, failures: list[Failure]):
        self.failures = failures
        super().__init__("\n\n".join(str(failure) for failure in failures))
