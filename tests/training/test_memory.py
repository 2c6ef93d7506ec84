"""Freed memory is kept inside the block and given back after it; no C library is asked what it does not have."""

import resource
import sys

import pytest
import torch

from pydra_vae.training import memory
from pydra_vae.training.memory import kept_memory

glibc = pytest.mark.skipif(memory._glibc() is None, reason="another C library")


class Library:
    def __init__(self):
        self.told, self.trimmed = {}, 0

    def mallopt(self, name, value):
        self.told[name] = value

    def malloc_trim(self, pad):
        self.trimmed += 1


def test_the_outermost_block_gives_memory_back(monkeypatch):
    library = Library()
    monkeypatch.setattr(memory, "_glibc", lambda: library)
    with pytest.raises(KeyError), kept_memory():
        with kept_memory():
            pass
        assert library.told[memory.M_MMAP_MAX] == 0 and not library.trimmed
        raise KeyError
    assert library.told == memory.USUAL and library.trimmed == 1


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with kept_memory():
        assert torch.ones(2).sum() == 2


@glibc
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults as Linux counts them")
def test_a_tensor_made_again_and_again_takes_its_memory_once():
    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        for _ in range(20):
            torch.zeros(4 << 20)  # 16 MiB
        return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before

    with kept_memory():
        kept = faults()
    pages = 20 * (16 << 20) // resource.getpagesize()
    assert kept < pages / 4
