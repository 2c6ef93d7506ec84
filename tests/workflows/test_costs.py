"""Estimates of disk space and memory: what they say, and how near they are to what demos take."""

import shutil
from collections import namedtuple

import pytest
from rich.console import Console

from pydra_vae.workflows.costs import Cost, finn_cost, motor_cost, say_cost, structural_cost

Disk = namedtuple("Disk", "total used free")


def said(tmp_path, monkeypatch, free, cost):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(0, 0, free))
    console = Console(record=True, width=400)
    say_cost(cost, tmp_path / "work", tmp_path / "out", console, "finn")
    return console.export_text()


def test_too_little_room_is_said_before_the_run(tmp_path, monkeypatch):
    cost = Cost(3e9, 2e9, 1e9)
    assert "needs about 3.0 GB in" in said(tmp_path, monkeypatch, 6e9, cost)
    assert "may be too little" not in said(tmp_path, monkeypatch, 6e9, cost)
    # both folders lie on one disk, so they need 5 GB together
    assert "has 4.0 GB free, which may be too little" in said(tmp_path, monkeypatch, 4e9, cost)


def test_what_is_there_already_needs_no_more_room(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "series.npy").write_bytes(bytes(2_000_000))
    assert "may be too little" not in said(tmp_path, monkeypatch, 1.5e6, Cost(3e6, 0, 1e9))
    # what one folder holds too much of is no room for the other
    assert "may be too little" in said(tmp_path, monkeypatch, 1.5e6, Cost(1e6, 2e6, 1e9))


# Sizes of the default demos and what their folders took, in MB: work folder without the simulation, output.
@pytest.mark.parametrize(
    "cost, work, output",
    [
        (finn_cost([(8959, 1310)] * 3, 20, ["reliability", "samples"]), 1395, 182),
        (motor_cost(46, 284, 11960, 11, 20, 8), 782, 72),
        (structural_cost(796, 21000, 8500, 6, 7), 304, 78),
    ],
    ids=["finn", "motor", "structural"],
)
def test_estimates_of_the_demos_are_within_a_factor_of_two(cost, work, output):
    assert 0.5 < cost.work / 1e6 / work < 2
    assert 0.5 < cost.output / 1e6 / output < 2


def test_a_subject_of_the_paper_takes_three_gigabytes():
    one, two = (finn_cost([(139_501, 1310)] * n) for n in (1, 2))
    assert 2.5e9 < one.work < 4e9
    assert two.work == pytest.approx(2 * one.work)
    assert two.process == one.process
