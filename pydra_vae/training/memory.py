"""Let the C library keep the memory of freed tensors for the next ones, where it can be told to.

A training step makes and frees the same tensors of some 10 MB again and again. glibc asks the system for such memory
anew each time, and the system clears it page by page: a twelfth of the time of a TI-VAE's fit on a CPU. Inside
`kept_memory` glibc serves them from memory that it holds already. No number depends on it; other C libraries (macOS,
Windows, musl) are left alone.
"""

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager

# Names and numbers of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
# What glibc comes to by itself on 64-bit machines, once a process has freed an array of 32 MB.
USUAL = {M_MMAP_MAX: 65_536, M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20}
# Free memory at the end of the heap is given back only beyond 1 GB; no array has a mapping of its own.
KEPT = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**30}

_inside = 0


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory inside the block; what is free after the outermost block goes back to the system."""
    global _inside
    library = _glibc()
    if library is None:
        yield
        return
    _tell(library, KEPT)
    _inside += 1
    try:
        yield
    finally:
        _inside -= 1
        if not _inside:
            _tell(library, USUAL)
            library.malloc_trim(0)


def _tell(library: ctypes.CDLL, values: dict[int, int]):
    for name, value in values.items():
        library.mallopt(name, value)


@functools.cache
def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  (no other has it)
        library.mallopt.argtypes, library.malloc_trim.argtypes = [ctypes.c_int] * 2, [ctypes.c_size_t]
    except (AttributeError, OSError, TypeError):  # no such function; nothing to open; Windows
        return None
    return library
