"""A device is no part of a step's key, and no two fits share a GPU unless asked."""

import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

import cloudpickle
import pytest
from pydra.compose import python

from pydra_vae.engine import context, devices
from pydra_vae.engine.devices import Device, Gpu, gpu_slot

AUTO = Device("auto")
TWO = [Gpu("cuda:0", "GPU-aaaa", "Toy 1"), Gpu("cuda:1", "GPU-bbbb", "Toy 2")]


@python.define(outputs={"y": int})
def Fit(x: int, device: Device = AUTO, spare: Device | None = None):
    return x


@pytest.fixture(autouse=True)
def _own_slots(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(devices, "POLL", 0.02)
    monkeypatch.delenv(devices.FITS_PER_GPU, raising=False)
    context._current.set(None)
    monkeypatch.chdir(tmp_path)


# ---- Device ---------------------------------------------------------------------------------


def test_device_is_no_part_of_the_checksum():
    tasks = [Fit(x=1), Fit(x=1, device="cuda"), Fit(x=1, device=Device("cuda:3")), Fit(x=1, device="mps")]
    assert {type(task.device) for task in tasks} == {Device}
    assert len({task._checksum for task in tasks}) == 1
    assert Fit(x=2)._checksum != tasks[0]._checksum


def test_device_set_later_or_optional_is_coerced_too():
    task = Fit(x=1)
    task.device, task.spare = "cpu", "cuda"
    assert (type(task.device), type(task.spare)) == (Device, Device)


@pytest.mark.parametrize("pickler", [pickle, cloudpickle])
def test_device_survives_pickling(pickler):
    task = Fit(x=1, device="cuda:1")
    back = cloudpickle.loads(cloudpickle.dumps(task))
    assert (type(back.device), back.device, back._checksum) == (Device, "cuda:1", task._checksum)
    device = pickler.loads(pickler.dumps(Device("mps")))
    assert (type(device), device) == (Device, "mps")


def test_unknown_device_says_what_is_known():
    with pytest.raises(ValueError, match=re.escape("'gpu' is not known: give auto, cpu, cuda, cuda:N")):
        Device("gpu")
    with pytest.raises(TypeError, match="'device' field of Fit"):
        Fit(x=1, device="cuda:one")


# ---- slots ----------------------------------------------------------------------------------


def test_absent_device_is_an_error_that_lists_what_is_there():
    with pytest.raises(ValueError, match=r"'cuda:2' is not there.*cpu, cuda:0 \(Toy 1\), cuda:1 \(Toy 2\)"), \
            gpu_slot("cuda:2", gpus=lambda: TWO):
        pass
    with pytest.raises(ValueError, match=r"'mps' is not there.*has: cpu\."), gpu_slot("mps", gpus=list):
        pass


@pytest.mark.parametrize(("wish", "there", "got"), [
    ("auto", TWO, "cuda:0"), ("cuda", TWO, "cuda:0"), ("cuda:1", TWO, "cuda:1"), ("cpu", TWO, "cpu"),
    ("auto", [], "cpu"), ("auto", [Gpu("mps", "mps")], "mps"), ("mps", [Gpu("mps", "mps")], "mps"),
])
def test_wish_becomes_a_device(wish, there, got):
    with gpu_slot(Device(wish), gpus=lambda: there) as name:
        assert name == got and isinstance(name, str)


def test_slot_tells_what_the_sidecar_records():
    with gpu_slot("cuda:1", gpus=lambda: TWO) as name:
        assert (name.model, name.uuid, name.slot) == ("Toy 2", "GPU-bbbb", 0)


def test_two_fits_take_two_gpus_and_the_third_waits(tmp_path):
    got = []

    def third():
        context.set_for_step(tmp_path, "k")
        with gpu_slot("auto", gpus=lambda: TWO) as name:
            got.append(str(name))

    with gpu_slot("auto", gpus=lambda: TWO) as a:
        with gpu_slot("auto", gpus=lambda: TWO) as b:
            assert {a, b} == {"cuda:0", "cuda:1"}
            waiting = threading.Thread(target=third)
            waiting.start()
            time.sleep(0.3)
            assert got == []
            lines, _ = context.read_progress(tmp_path)
            assert "waiting for a free GPU (cuda:0, cuda:1)" in lines[0]["message"]
        waiting.join(5)
        assert got == ["cuda:1"]


def test_same_gpu_under_another_number_is_the_same_gpu():
    """CUDA_VISIBLE_DEVICES=1 makes the second GPU cuda:0."""
    with gpu_slot("cuda:1", gpus=lambda: TWO):
        lock = devices.FileLock(devices.slots_folder() / "GPU-bbbb-0.lock")
        with pytest.raises(devices.Timeout):
            lock.acquire(timeout=0)


@pytest.mark.parametrize("asked", ["argument", "environment"])
def test_fits_share_a_gpu_when_asked(asked, monkeypatch):
    if asked == "environment":
        monkeypatch.setenv(devices.FITS_PER_GPU, "2")
    per_gpu = 2 if asked == "argument" else None
    held = [gpu_slot("auto", per_gpu, gpus=lambda: TWO) for _ in range(4)]
    names = [slot.__enter__() for slot in held]
    for slot in reversed(held):
        slot.__exit__(None, None, None)
    assert names == ["cuda:0", "cuda:1", "cuda:0", "cuda:1"]
    assert [name.slot for name in names] == [0, 0, 1, 1]


def test_wrong_number_of_fits_names_the_variable(monkeypatch):
    monkeypatch.setenv(devices.FITS_PER_GPU, "many")
    with pytest.raises(ValueError, match="PYDRA_VAE_FITS_PER_GPU is 'many'"), gpu_slot("auto", gpus=lambda: TWO):
        pass


def test_slot_is_freed_by_an_error():
    with pytest.raises(RuntimeError), gpu_slot("cuda:0", gpus=lambda: TWO):
        raise RuntimeError
    with gpu_slot("cuda:0", gpus=lambda: TWO) as name:
        assert name == "cuda:0"


HOLD = """
import sys, tempfile, time
tempfile.tempdir = sys.argv[1]
from pydra_vae.engine.devices import Gpu, gpu_slot
with gpu_slot("cuda", gpus=lambda: [Gpu("cuda:0", "GPU-aaaa")]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_slot_is_freed_by_sigkill(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "held\n"
        lock = devices.FileLock(devices.slots_folder() / "GPU-aaaa-0.lock")
        with pytest.raises(devices.Timeout):
            lock.acquire(timeout=0)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    with gpu_slot("cuda:0", gpus=lambda: TWO[:1]) as name:
        assert name == "cuda:0"


def test_importing_devices_loads_no_torch():
    code = "import sys, pydra_vae.engine.devices; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# ---- with a real GPU ------------------------------------------------------------------------


TAKE_TURNS = """
import sys, tempfile, time
tempfile.tempdir = sys.argv[1]
import torch
from pydra_vae.engine.devices import gpu_slot
with gpu_slot("cuda:0") as name:
    start = time.time()
    torch.ones(8, device=name).sum().item()
    time.sleep(1)
    print(start, time.time(), name.uuid)
"""


@pytest.mark.gpu
def test_two_processes_take_turns_on_a_real_gpu(tmp_path):
    command = [sys.executable, "-c", TAKE_TURNS, str(tmp_path)]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    (start_a, end_a, uuid_a), (start_b, end_b, uuid_b) = [child.communicate()[0].split() for child in children]
    assert uuid_a == uuid_b
    assert float(end_a) <= float(start_b) or float(end_b) <= float(start_a)


@pytest.mark.gpu
def test_real_gpus_have_different_names_and_uuids():
    there = devices.available()
    assert there and len({gpu.uuid for gpu in there}) == len(there)
    assert all(gpu.uuid and gpu.model for gpu in there)
