"""What a person sees of a run: one line a task, a bar for each fit, the failures and the final table.

On a terminal the running tasks are live rows under the log; in a pipe or a log file they become plain lines, at
most one a second a task and ever fewer in a long fit. Both read the JSON lines that the steps append to
`_progress.jsonl` (see `context`), so they work wherever a worker shares the file system. Everything goes through
one rich Console on stderr: a second writer would land inside the bars.
"""

import os
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn
from rich.table import Table
from rich.text import Text

from pydra_vae.engine import context

POLL = 0.25
# A plain log of a fit that ran for s seconds gains a line every s/LOG_SHARE seconds, at most one a second.
LOG_SHARE = 20
# Cached tasks of one label are counted until this long after the last of them; of many labels, until this long after
# the last of all, but no longer than PATIENCE in all, and told in one line.
QUIET, PATIENCE, MANY = 0.5, 10.0, 10
STYLES = {"done": "green", "cached": "cyan", "failed": "bold red"}
COLUMNS = ("step", "computed", "reused", "failed", "seconds", "why")
# What rich takes a pipe to be, 80 columns, wraps the table's last one.
PIPE_WIDTH = 140


@dataclass
class Running:
    """One task under way and what it has reported so far."""

    label: str
    step: str
    cache_dir: Path
    started: float = field(default_factory=time.monotonic)
    offset: int = 0
    last: dict = field(default_factory=dict)
    first: tuple[float, float] | None = None
    logged: float = float("-inf")
    row: int | None = None

    def update(self, lines: list[dict]):
        """Take in new lines; `first` is the (step, time) where this try began: not 0 for a resumed fit."""
        for line in lines:
            step, at = _number(line.get("step")), _number(line.get("time"))
            if step is not None and at is not None and (self.first is None or step < self.first[0]):
                self.first = (step, at)
        if lines:
            self.last = lines[-1]

    def done_of(self) -> tuple[float, float] | None:
        """(step, steps), or None where the task has not told them."""
        step, steps = _number(self.last.get("step")), _number(self.last.get("steps"))
        return (step, steps) if step is not None and steps else None

    def seconds_left(self) -> float | None:
        """Time left at the pace of this try; None until two lines tell a pace."""
        if self.first is None or self.done_of() is None:
            return None
        step, steps = self.done_of()
        made, took = step - self.first[0], (_number(self.last.get("time")) or 0) - self.first[1]
        return (steps - step) * took / made if made > 0 and took > 0 else None

    def summary(self) -> str:
        """The latest report in words: ``epoch 12  loss 0.0144  best 0.0141``."""
        words = [str(self.last["message"])] if "message" in self.last else []
        words += [f"{name} {_short(self.last[name])}" for name in ("epoch", "loss", "best") if name in self.last]
        return "  ".join(words)

    def left(self) -> str:
        """``0:31 left``, or nothing where that cannot be told."""
        seconds = self.seconds_left()
        return "" if seconds is None else f"{clock(seconds)} left"


class Display:
    """The live view of one run; a context manager.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to write; by default a new one on stderr.
    verbose : int
        From 1 on, each reused task has a line of its own, each start is told in a plain log, and failures are
        shown with their tracebacks.
    """

    def __init__(self, console: Console | None = None, verbose: int = 0):
        self.console = console or _console()
        self.verbose = verbose
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal
        self._running: dict[str, Running] = {}
        self._cached: Counter[str] = Counter()
        self._cached_at: dict[str, float] = {}
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._bars: Progress | None = None

    def __enter__(self):
        if self.live:
            self._bars = Progress(
                SpinnerColumn(), _Words("name"), _Bar(bar_width=24 if self.console.width >= 100 else 8),
                _Words("steps"), _Clock(), _Words("summary"),
                console=self.console, transient=True, refresh_per_second=8,
            )
            self._bars.start()
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, name="pydra_vae-display", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(timeout=5)
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
        self._tell_cached()

    # ---- what the runner tells ---------------------------------------------------------------

    def started(self, job_id: str, label: str, step: str, cache_dir):
        """A task begins: `label` says of whom ("sub-01"), `step` what, `cache_dir` where it reports.

        One that begins again, alone after it failed with others, keeps its line.
        """
        with self._lock:
            if job_id in self._running:
                return
            self._running[job_id] = task = Running(label, step, Path(cache_dir))
            if self._bars is not None:
                task.row = self._bars.add_task("", total=None, name=_name(task), steps="", summary="")
        if self.verbose and not self.live:
            self._line(task.label, task.step, "started")

    def finished(self, job_id: str, status: str, seconds: float = 0.0, label: str = "", step: str = ""):
        """A task ended: `status` is done, cached or failed. For one never `started`, give `label` and `step`."""
        with self._lock:
            task = self._running.pop(job_id, None) or Running(label, step, Path())
            if self._bars is not None and task.row is not None:
                self._bars.remove_task(task.row)
            if status == "cached" and not self.verbose:
                self._cached[task.label] += 1
                self._cached_at[task.label] = time.monotonic()
                return
            self._tell_cached(task.label)
        took = f"{seconds:.1f} s" if status != "cached" else ""
        self._line(task.label, task.step, status, took, style=STYLES.get(status, ""))

    def message(self, text: str):
        """Say something to the user, above the bars."""
        self._line(text)

    def failure(self, label: str, step: str, traceback: str, crash_file=None, message: str = ""):
        """Show a failure: whose, what went wrong, and where the full record lies.

        The message alone where there is one and a crash file that holds the traceback; from verbose 1 on, and
        otherwise, the real traceback.
        """
        brief = message and crash_file and not self.verbose
        text = Text()
        text.append("  ".join(word for word in (label, step, "failed:") if word), style=STYLES["failed"])
        text.append(f" {message}\n" if brief else f"\n{traceback.rstrip()}\n")
        if crash_file:
            text.append(f"crash file: {crash_file}", style="bold")
            text.append(" (-v shows the traceback)\n" if brief else "\n")
        self.console.print(text, soft_wrap=True)

    def table(self, rows: list[dict]):
        """Print what was computed, reused and failed, step by step; rows have the keys of `COLUMNS`."""
        if not rows:
            return
        table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
        for name in COLUMNS:
            is_text = name in ("step", "why")
            table.add_column(name, justify="left" if is_text else "right", no_wrap=name == "step", overflow="fold")
        for row in rows:
            failed = row.get("failed", 0)
            table.add_row(*(_cell(name, row.get(name)) for name in COLUMNS), style=STYLES["failed"] if failed else "")
        self.console.print()
        self.console.print(table)

    # ---- what the steps tell -----------------------------------------------------------------

    def _watch(self):
        pause = POLL
        while not self._stop.wait(pause):
            begin = time.monotonic()
            self._poll()
            # many tasks on a slow network folder must not keep a core busy
            pause = max(POLL, 5 * (time.monotonic() - begin))

    def _poll(self):
        with self._lock:
            tasks = list(self._running.items())
        for job_id, task in tasks:
            lines, task.offset = context.read_progress(task.cache_dir, task.offset)
            task.update(lines)
            with self._lock:
                if job_id in self._running and task.last:
                    self._show(task, bool(lines))
        self._tell_cached_that_rest()

    def _show(self, task: Running, is_new: bool):
        of = task.done_of()
        steps = f"{of[0]:.0f}/{of[1]:.0f}" if of else ""
        if self._bars is not None and task.row is not None:
            done, total = of or (0, None)
            words = {"steps": steps, "left": task.left(), "summary": task.summary()}
            self._bars.update(task.row, completed=done, total=total, **words)
            return
        now = time.monotonic()
        if is_new and not self.live and now - task.logged >= max(1.0, (now - task.started) / LOG_SHARE):
            task.logged = now
            self._line(task.label, task.step, f"step {steps}" if steps else "", task.summary(), task.left())

    def _tell_cached_that_rest(self):
        """Tell the labels that had no reused task for a while; many labels wait for one another."""
        with self._lock:
            now, at = time.monotonic(), self._cached_at
            if len(at) > MANY and now - max(at.values()) <= QUIET and now - min(at.values()) <= PATIENCE:
                return
            if resting := [label for label in at if now - at[label] > QUIET]:
                self._tell_cached(*resting)

    def _tell_cached(self, *labels: str):
        """One line for the reused tasks of each of these labels that have not been told yet; of many, one in all.

        Without any, of all labels.
        """
        with self._lock:
            names = labels or tuple(self._cached)
            for name in names:
                self._cached_at.pop(name, None)
            counts = {name: count for name in names if (count := self._cached.pop(name, 0))}
            if len(counts) > MANY:
                first, last = next(iter(counts)), next(reversed(counts))
                counts = {f"{first} to {last} ({len(counts)} labels)": sum(counts.values())}
            for name, count in counts.items():
                steps = "1 step" if count == 1 else f"{count} steps"
                self._line(f"{name}: {steps} reused" if name else f"{steps} reused", style=STYLES["cached"])

    def _line(self, *words: str, style: str = ""):
        text = Text("  ".join(word for word in words if word), style=style)
        if not self.live:
            text = Text(time.strftime("%H:%M:%S "), style="dim").append_text(text)
        self.console.print(text, soft_wrap=True)


class _Words(ProgressColumn):
    """A field of the task as it stands: no markup, one line, cut where the terminal ends."""

    def __init__(self, name: str):
        super().__init__()
        self._name = name

    def render(self, task):
        return Text(str(task.fields.get(self._name, "")), no_wrap=True, overflow="ellipsis")


class _Clock(ProgressColumn):
    """Time left where it is known, else how long the task has been running."""

    def render(self, task):
        return Text(task.fields.get("left") or clock(task.elapsed or 0), no_wrap=True)


class _Bar(BarColumn):
    """A bar where the number of steps is known, nothing where it is not."""

    def render(self, task):
        return super().render(task) if task.total else Text("")


def _console() -> Console:
    console = Console(stderr=True)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def _name(task: Running) -> str:
    return "  ".join(word for word in (task.label, task.step) if word)


def _number(value) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _short(value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(name: str, value) -> Text:
    if value is None:
        return Text("")
    if name == "seconds":
        return Text(f"{float(value):.1f}")
    return Text(", ".join(map(str, value)) if isinstance(value, list | tuple | set) else str(value))


def clock(seconds: float) -> str:
    """Seconds as a person reads them.

    >>> clock(31.4), clock(3725)
    ('0:31', '1:02:05')
    """
    minutes, seconds = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
