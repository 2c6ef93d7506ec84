"""Where a fit computes: the device a user asks for, and a slot on it.

`Device` is a step's input that is no part of its key: a model fitted on a GPU is the same model on a login node
without one, so asking for another device must reuse it. `gpu_slot` turns the wish into a device that is there and
free, and holds it while the fit runs, so that two fits never share one GPU unless asked.
"""

import contextlib
import functools
import getpass
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydra.utils.hash import register_serializer

from pydra_vae.engine import context

FITS_PER_GPU = "PYDRA_VAE_FITS_PER_GPU"
# Small models leave a GPU idle between kernels; this many side by side fill it.
FITS_TOGETHER = 15
# How often a waiting fit looks again and says so, in seconds: a fit takes minutes.
POLL = 0.5
SAY = 5


class Device(str):
    """A device as a user names it: ``auto``, ``cpu``, ``cuda`` (any GPU), ``cuda:1`` or ``mps``.

    Pydra coerces a plain string to it. All devices have the same hash.

    >>> Device("cuda:1")
    'cuda:1'
    >>> Device("gpu")
    Traceback (most recent call last):
    ValueError: device 'gpu' is not known: give auto, cpu, cuda, cuda:N (N from 0) or mps
    """

    __slots__ = ()

    def __new__(cls, name: str = "auto"):
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", str(name)):
            raise ValueError(f"device {str(name)!r} is not known: give auto, cpu, cuda, cuda:N (N from 0) or mps")
        return super().__new__(cls, name)


@register_serializer(Device)
def _no_part_of_the_key(device: Device, cache) -> Iterator[bytes]:
    """Pydra's hash of a device: the same for all of them."""
    yield b"pydra_vae.device"


class Slot(str):
    """The name of the device that a fit holds, as torch takes it, with what its sidecar records.

    Attributes
    ----------
    model : str
        What the device calls itself ("NVIDIA H200"); "" for the CPU.
    uuid : str
        Which of several it is, whatever CUDA_VISIBLE_DEVICES numbers it; "" for the CPU.
    slot : int
        Which of the fits on that device, from 0.
    """

    model: str
    uuid: str
    slot: int

    def __new__(cls, name: str, model: str = "", uuid: str = "", slot: int = 0):
        self = super().__new__(cls, name)
        self.model, self.uuid, self.slot = model, uuid, slot
        return self


@dataclass(frozen=True)
class Gpu:
    """A device that only one fit may hold: its name here, and one that is the same in every process."""

    name: str
    uuid: str
    model: str = ""


def available() -> list[Gpu]:
    """The GPUs that torch can use here, without touching their memory."""
    import torch

    if torch.cuda.is_available():
        found = []
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            uuid = str(getattr(properties, "uuid", "")) or f"cuda-{_visible(index)}"
            found.append(Gpu(f"cuda:{index}", uuid, properties.name))
        return found
    if torch.backends.mps.is_available():
        return [Gpu("mps", "mps", "Apple GPU")]
    return []


def _visible(index: int) -> str:
    """The physical number of a CUDA device, for a torch that does not tell its UUID."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return listed[index].strip() if index < len(listed) and listed[index].strip() else str(index)


def has_bfloat16() -> bool:
    """Whether this machine multiplies in bfloat16 natively: a GPU, or a processor with AVX-512 BF16."""
    processor = Path("/proc/cpuinfo")
    if processor.is_file() and "avx512_bf16" in processor.read_text():  # torch takes seconds to load
        return True
    import torch

    return torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()  # no public name for it


def choices(device: str, there: list[Gpu]) -> list[Gpu]:
    """The GPUs that satisfy a wish; [] stands for the CPU.

    Raises
    ------
    ValueError
        If no device of that name is there; the message lists those that are.
    """
    device = Device(device)
    if device == "cpu" or (device == "auto" and not there):
        return []
    fitting = [g for g in there if device in ("auto", g.name) or (device == "cuda" and g.name.startswith("cuda:"))]
    if not fitting:
        listed = ", ".join(["cpu", *(f"{gpu.name} ({gpu.model})" if gpu.model else gpu.name for gpu in there)])
        raise ValueError(f"device {str(device)!r} is not there; this machine ({os.uname().nodename}) has: {listed}. "
                         "Give one of these, or auto.")
    return fitting


def fits_per_gpu_default() -> int:
    """How many fits may share a GPU: the environment's PYDRA_VAE_FITS_PER_GPU, else 1."""
    text = os.environ.get(FITS_PER_GPU, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"environment variable {FITS_PER_GPU} is {text!r}: give a whole number from 1")
    return int(text)


def fits_together_default(devices: Iterable[str]) -> int:
    """How many fits one process computes side by side where nobody says: 15 on CUDA, else 1, for CPUs are many."""
    return FITS_TOGETHER if any(_is_cuda(device) for device in devices) else 1


@functools.cache
def _is_cuda(device: str) -> bool:
    """Whether a wish will come to a CUDA device; torch is asked only on a machine with its driver."""
    if device != "auto":
        return device.startswith("cuda")
    if not any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")):
        return False
    import torch

    return torch.cuda.is_available()


def slots_folder() -> Path:
    """The folder of the locks: of this machine and this user, the same for all their processes."""
    folder = Path(tempfile.gettempdir()) / f"pydra_vae-{getpass.getuser()}" / "gpu-slots"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextlib.contextmanager
def gpu_slot(
    device: str = "auto",
    fits_per_gpu: int | None = None,
    *,
    gpus: Callable[[], list[Gpu]] = available,
) -> Iterator[Slot]:
    """Hold a device while a fit runs on it, waiting until one is free.

    The lock is the operating system's, held by this process: it is freed when the process ends, however it ends.
    The CPU needs no slot.

    Parameters
    ----------
    device : str
        ``auto`` (the first kind there is of CUDA, MPS, CPU), ``cpu``, ``cuda`` (any), ``cuda:N`` or ``mps``.
    fits_per_gpu : int, optional
        Fits that may share one GPU; by default what PYDRA_VAE_FITS_PER_GPU says, else 1.
    gpus : callable
        Finds the GPUs; for tests.

    Yields
    ------
    name : Slot
        A string, "cpu", "cuda:1" or "mps", with what the sidecar records as attributes.

    Raises
    ------
    ValueError
        If the device is not there, or the environment variable is not a number.
    """
    device = Device(device)
    candidates = [] if device == "cpu" else choices(device, gpus())
    if not candidates:
        yield Slot("cpu")
        return
    with _acquire(candidates, fits_per_gpu or fits_per_gpu_default()) as slot:
        yield slot


@contextlib.contextmanager
def _acquire(candidates: list[Gpu], fits_per_gpu: int) -> Iterator[Slot]:
    # All GPUs get their first fit before any gets its second.
    places = [(gpu, number) for number in range(fits_per_gpu) for gpu in candidates]
    folder = slots_folder()
    started, said = time.monotonic(), float("-inf")
    while True:
        for gpu, number in places:
            lock = FileLock(folder / f"{_filename(gpu.uuid)}-{number}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield Slot(gpu.name, gpu.model, gpu.uuid, number)
            finally:
                lock.release()
            return
        waited = time.monotonic() - started
        if waited - said >= SAY:
            said = waited
            names = ", ".join(gpu.name for gpu in candidates)
            context.progress(message=f"waiting for a free GPU ({names}), {waited:.0f} s")
        time.sleep(POLL)


def _filename(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "_", text)
