"""A study that runs in passes, so that what fails takes nothing else with it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from pydra_vae.engine.runner import Outcome, run
from pydra_vae.workflows.program import running, say

INTERRUPTED = 130


class Passes:
    """What a study's passes have in common.

    Attributes
    ----------
    recipe : str
        Its name, before what it says.
    status : int
        Exit status so far.
    failures : list of {"label", "step", "message"}
        For the report.
    skipped : dict
        What was not made, and why, for the report.
    """

    recipe: str

    def __init__(self, options: argparse.Namespace, console: Console):
        self.options, self.console = options, console
        self.how = running(options, console) | {"stop_on_first_crash": options.stop_on_first_crash}
        self.status = 0
        self.failures: list[dict[str, str]] = []
        self.skipped: dict[str, str] = {}

    def note(self, problems: Mapping[str, str]) -> None:
        """Keep for the report what was left out before anything ran."""
        self.failures += [
            {"label": label, "step": "", "message": text.removeprefix(f"{label}: ")} for label, text in problems.items()
        ]

    def run_pass(self, title: str, tasks: Mapping[str, Any], on_done: Any = None) -> Outcome:
        """Run one pass; failures raise the status and are said where they happen."""
        self.console.print(title, style="bold")
        outcome = run(tasks, **self.how, **({"on_done": on_done} if on_done else {}))
        self.status = max(self.status, outcome.exit_code)
        self.failures += [
            {"label": label, "step": failure.step, "message": failure.message}
            for label, failure in outcome.failures.items()
        ]
        return outcome

    @property
    def interrupted(self) -> bool:
        """Whether ^C ended a pass."""
        return self.status == INTERRUPTED

    def ended(self, why: str) -> int:
        """The exit status of a study that stops before its comparison; ^C was said already."""
        if not self.interrupted:
            say(self.console, self.recipe, f"the study ends here, see above: {why}; a next run goes on from here")
        return self.status
