"""A fit killed at any moment and resumed gives the bytes of one that was left alone."""

import os
import pickle
import signal
import subprocess
import sys

import pytest
import torch

from pydra_vae.training import checkpoints

FIT = """
import json, os, signal, sys
from pathlib import Path
import numpy as np, torch
from pydra_vae.training.cvae import CvaeLoss, fit_cvae
from pydra_vae.training.recipes import RECIPES

folder, network, kill_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(0)
x = rng.random((300, 40), dtype=np.float32)
split = np.repeat([0, 1, 2], [200, 40, 60]).astype(np.int8)

def progress(step, **_):
    if step >= kill_at > 0:
        os.kill(os.getpid(), signal.SIGKILL)

loss = CvaeLoss(mixing=0.5, kl_weight=1e-4)
recipe = RECIPES["fast"].with_options(max_steps=60, batch_size=64, validate_every=7)
model, fit = fit_cvae(x, split, network=network, loss=loss, recipe=recipe, ramp_steps=10, seed=3,
                      checkpoint=folder / "fit.pt", checkpoint_seconds=0, fingerprint="a", progress=progress)
(folder / "history.json").write_text(json.dumps(fit.history))
torch.save(model.state_dict(), folder / "model.pt")
print(fit.resumed_at)
"""


def start(folder, network, kill_at=0):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", FIT, str(folder), network, str(kill_at)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("network", ["dense", "paper"])
def test_sigkill_then_resume_is_byte_identical(tmp_path, network):
    whole = start(tmp_path / "whole", network)
    assert whole.stdout.strip() == "None", whole.stderr
    for kill_at in (20, 40):  # killed twice
        assert start(tmp_path / "cut", network, kill_at).returncode == -signal.SIGKILL
    resumed = start(tmp_path / "cut", network)
    assert resumed.stdout.strip() == "35", resumed.stderr
    for name in ("history.json", "model.pt"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_checkpoint_of_another_fit_is_not_taken_up(tmp_path):
    path = tmp_path / "deep" / "fit.pt"
    checkpoints.save(path, {"fingerprint": "seed 1", "step": 3})
    assert checkpoints.load(path, "seed 1")["step"] == 3
    assert checkpoints.load(path, "seed 2") is None
    assert os.listdir(path.parent) == ["fit.pt"]


def test_damaged_and_hostile_files_are_not_read(tmp_path):
    path = tmp_path / "fit.pt"
    path.write_bytes(b"PK half a file")
    assert checkpoints.load(path, "a") is None

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"fingerprint": "a", "x": Hostile()}, path, pickle_module=pickle)
    assert checkpoints.load(path, "a") is None
    assert not (tmp_path / "owned").exists()


def test_a_failed_write_leaves_the_old_state(tmp_path, monkeypatch):
    path = tmp_path / "fit.pt"
    checkpoints.save(path, {"fingerprint": "a", "step": 1})
    monkeypatch.setattr(torch, "save", lambda *a: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save(path, {"fingerprint": "a", "step": 2})
    assert checkpoints.load(path, "a")["step"] == 1
    assert os.listdir(tmp_path) == ["fit.pt"]
