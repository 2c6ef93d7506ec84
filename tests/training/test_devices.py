"""Device names, and what is said when one is not there."""

import pytest
import torch

from pydra_vae.training.devices import reproducible, resolve_device


def test_auto_is_the_cpu_where_there_is_nothing_else(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:3"])
def test_an_absent_gpu_is_an_error_that_says_what_there_is(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ValueError, match=rf"'{name}' is not there: this machine has cpu"):
        resolve_device(name)


def test_present_gpus_are_listed_beside_an_absent_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: "H200")
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ValueError, match=r"cuda:0 \(H200\), cuda:1 \(H200\)"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cpu:1", "", "CUDA"])
def test_unknown_names(name):
    with pytest.raises(ValueError, match="is unknown: use auto, cpu, cuda, cuda:N or mps"):
        resolve_device(name)


def test_seed_and_threads_are_given_back():
    torch.manual_seed(5)
    expected, threads = torch.rand(1), torch.get_num_threads()
    torch.manual_seed(5)
    with reproducible(seed=1, threads=1):
        first = torch.rand(1)
    with reproducible(seed=1, threads=1):
        assert torch.rand(1) == first
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == threads
