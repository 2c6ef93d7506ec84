"""What a run shows, in a pipe and on a real (pseudo) terminal."""

import io
import json
import os
import pty
import re
import subprocess
import sys
import time

import pytest
from rich.console import Console

from pydra_vae.engine import display
from pydra_vae.engine.display import Display, Running


def report(folder, **fields):
    folder.mkdir(exist_ok=True)
    with open(folder / "_progress.jsonl", "a") as file:
        file.write(json.dumps({"time": time.time(), **fields}) + "\n")


@pytest.fixture
def pipe(monkeypatch):
    """A console as a log file is, and a poll fast enough for a test."""
    monkeypatch.setattr(display, "POLL", 0.02)
    monkeypatch.setattr(display, "QUIET", 0.1)
    return Console(file=io.StringIO(), width=120)


def lines(console):
    """What was written, without the time of day."""
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in console.file.getvalue().splitlines()]


def test_one_line_a_task(pipe, tmp_path):
    with Display(pipe) as shown:
        for job, status in (("1", "done"), ("2", "failed")):
            shown.started(job, f"sub-0{job}", "FitCvae", tmp_path / job)
            shown.finished(job, status, 12.34)
    assert lines(pipe) == ["sub-01  FitCvae  done  12.3 s", "sub-02  FitCvae  failed  12.3 s"]


def test_reused_steps_are_one_line_a_label(pipe, tmp_path):
    with Display(pipe) as shown:
        for n in range(14):
            shown.started(str(n), "sub-01", "MaskBold", tmp_path)
            shown.finished(str(n), "cached")
        shown.finished("never started", "cached", label="sub-02", step="MaskBold")
    assert lines(pipe) == ["sub-01: 14 steps reused", "sub-02: 1 step reused"]


def test_reused_steps_are_told_before_what_follows_and_soon(pipe, tmp_path):
    with Display(pipe) as shown:
        shown.finished("a", "cached", label="sub-01", step="MaskBold")
        shown.finished("b", "done", 1.0, label="sub-01", step="Normalize")
        shown.finished("c", "cached", label="sub-02", step="MaskBold")
        time.sleep(0.4)
        assert lines(pipe) == [
            "sub-01: 1 step reused", "sub-01  Normalize  done  1.0 s", "sub-02: 1 step reused",
        ]


def test_many_reused_labels_are_one_line_and_those_that_go_on_keep_theirs(pipe, monkeypatch):
    """A thousand images of one reused step each must not hide what follows."""
    monkeypatch.setattr(display, "QUIET", 0.4)
    with Display(pipe) as shown:
        for n in range(500):
            shown.finished(str(n), "cached", label=f"sub-{n:03}", step="PrepareVolume")
        shown.finished("x", "done", 1.0, label="sub-007", step="StackVolumes")
        time.sleep(0.8)
        assert lines(pipe) == [
            "sub-007: 1 step reused", "sub-007  StackVolumes  done  1.0 s",
            "sub-000 to sub-499 (499 labels): 499 steps reused",
        ]


def test_verbose_names_each_reused_step_and_each_start(pipe, tmp_path):
    with Display(pipe, verbose=1) as shown:
        shown.started("a", "sub-01", "MaskBold", tmp_path)
        shown.finished("a", "cached")
    assert lines(pipe) == ["sub-01  MaskBold  started", "sub-01  MaskBold  cached"]


def test_progress_is_logged_at_most_once_a_second_a_task(pipe, tmp_path):
    with Display(pipe) as shown:
        shown.started("a", "sub-01", "FitCvae", tmp_path / "a")
        for n in range(50):
            report(tmp_path / "a", step=n, steps=3000, epoch=1, loss=0.0144321, best=0.0141)
            time.sleep(0.01)
    assert len(lines(pipe)) == 1
    assert re.fullmatch(r"sub-01  FitCvae  step \d+/3000  epoch 1  loss 0.01443  best 0.0141(  \d+:\d\d left)?",
                        lines(pipe)[0])


def test_waiting_is_told(pipe, tmp_path):
    with Display(pipe) as shown:
        shown.started("a", "sub-01", "FitCvae", tmp_path / "a")
        report(tmp_path / "a", message="waiting for a free GPU (cuda:0), 0 s")
        time.sleep(0.2)
    assert lines(pipe) == ["sub-01  FitCvae  waiting for a free GPU (cuda:0), 0 s"]


def test_text_is_shown_as_it_is(pipe):
    """Brackets are no markup, and a path is not broken at column 80."""
    long = "/data/" + "x" * 200
    with Display(pipe) as shown:
        shown.message(f"[red]{long}[/red]")
        shown.failure("sub-01", "FitCvae", 'Traceback:\n  File "a.py"\nValueError: [bold]x', long)
        shown.failure("sub-02", "FitCvae", "Traceback:\nValueError: y", long, "ValueError: [bold]y")
        shown.failure("sub-03", "", "Traceback:\nValueError: z", None, "ValueError: z")
    with Display(pipe, verbose=1) as shown:
        shown.failure("sub-04", "FitCvae", "Traceback:\nValueError: v", long, "ValueError: v")
    out = pipe.file.getvalue()
    assert f"sub-02  FitCvae  failed: ValueError: [bold]y\ncrash file: {long} (-v shows the traceback)\n" in out
    assert "sub-03  failed:\nTraceback:\nValueError: z\n" in out  # nowhere else to be read
    assert "sub-04  FitCvae  failed:\nTraceback:\nValueError: v\ncrash file: " in out
    assert f"[red]{long}[/red]\n" in out and "ValueError: [bold]x\n" in out
    assert "sub-01  FitCvae  failed:" in out and f"crash file: {long}\n" in out


def test_table_has_a_row_a_step(pipe):
    row = {"step": "FitCvae", "computed": 2, "reused": 1, "failed": 0, "seconds": 61.25, "why": "changed code"}
    Display(pipe).table([row, {**row, "step": "Tsnr", "why": ["new input", "changed parameter seed"]}, {"step": "A"}])
    table = [re.split(r"\s{2,}", line.strip()) for line in lines(pipe) if line.strip()]
    assert table[0] == ["step", "computed", "reused", "failed", "seconds", "why"]
    assert table[1] == ["FitCvae", "2", "1", "0", "61.2", "changed code"]
    assert table[2][-1] == "new input, changed parameter seed"
    Display(pipe).table([])


def test_time_left_counts_this_try_only():
    """A fit resumed at step 1000 of 2000 that did 100 steps in 10 s has 90 s to go."""
    task = Running("sub-01", "FitCvae", None)
    task.update([{"message": "waiting", "time": 0.0}])
    assert task.seconds_left() is None
    task.update([{"step": 1000, "steps": 2000, "time": 60.0}])
    assert task.seconds_left() is None
    task.update([{"step": 1100, "steps": 2000, "time": 70.0}])
    assert task.seconds_left() == pytest.approx(90)
    assert task.left() == "1:30 left"


def test_odd_progress_does_no_harm(pipe, tmp_path):
    odd = [{"step": "x", "steps": 3}, {"step": None, "steps": 0}, {"loss": None}, {"step": 1, "steps": 2, "time": "?"}]
    with Display(pipe) as shown:
        shown.started("a", "sub-01", "FitCvae", tmp_path / "a")
        for fields in odd:
            report(tmp_path / "a", **fields)
            time.sleep(0.05)
        assert shown._thread.is_alive()
        shown.finished("a", "done", 1)


LIVE = """
import sys, time
from pathlib import Path
from pydra_vae.engine import context
from pydra_vae.engine.display import Display
folder = Path(sys.argv[1])
context.set_for_step(folder, "k")
with Display() as shown:
    shown.started("a", "sub-01", "FitCvae", folder)
    shown.started("b", "sub-02", "MaskBold", folder / "none")
    for step in range(5):
        context.progress(step=step, steps=8, epoch=3, loss=0.0144, best=0.0141)
        time.sleep(0.25)
    print("a stray print")
    if sys.argv[2] == "interrupt":
        raise KeyboardInterrupt
    shown.finished("a", "done", 1.5)
"""


def on_a_terminal(*args, **env):
    """What the live display writes to a pseudo terminal of 100 columns."""
    here, there = pty.openpty()
    env = {**os.environ, "COLUMNS": "100", "LINES": "30", "TERM": "xterm", **env}
    env.pop("NO_COLOR", None)
    child = subprocess.Popen([sys.executable, "-c", LIVE, *args], stdin=there, stdout=there, stderr=there, env=env)
    os.close(there)
    written = b""
    while True:
        try:
            new = os.read(here, 65536)
        except OSError:  # Linux says EIO once the other end is closed
            break
        if not new:
            break
        written += new
    os.close(here)
    child.wait()
    return written.decode()


def test_a_terminal_shows_a_bar_and_then_the_line(tmp_path):
    raw = on_a_terminal(str(tmp_path), "end")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", raw)
    assert re.search(r"sub-01  FitCvae +\S*━\S* +[1-4]/8 .*epoch 3  loss 0.0144  best 0.0141", text)
    assert re.search(r"sub-02  MaskBold\s+0:0\d", text)
    assert "a stray print" in text and "sub-01  FitCvae  done  1.5 s" in text
    assert raw.rindex("\x1b[?25h") > raw.rindex("\x1b[?25l"), "the cursor stays hidden"


def test_interrupt_gives_the_terminal_back(tmp_path):
    raw = on_a_terminal(str(tmp_path), "interrupt")
    assert raw.rindex("\x1b[?25h") > raw.rindex("\x1b[?25l") and "KeyboardInterrupt" in raw


def test_dumb_terminal_gets_plain_lines(tmp_path):
    raw = on_a_terminal(str(tmp_path), "end", TERM="dumb")
    assert "\x1b[?25l" not in raw and "━" not in raw
    assert re.search(r"sub-01  FitCvae  step \d/8  epoch 3", raw)
