"""Which device a fit runs on: resolve a name, or say what there is."""

from contextlib import contextmanager

import torch

from pydra_vae.training.memory import kept_memory


def resolve_device(name: str = "auto") -> torch.device:
    """The torch device of that name.

    Parameters
    ----------
    name : str
        `auto` (the first of CUDA, MPS, CPU that is there), `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises
    ------
    ValueError
        The name is none of these, or the device is absent; the message lists what there is.

    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if _mps() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not (kind == "cuda" and number.isdigit())):
        raise ValueError(f"device {name!r} is unknown: use auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {name!r} is not there: this machine has {available()}")
    if kind == "mps" and not _mps():
        raise ValueError(f"device 'mps' is not there: this machine has {available()}")
    return torch.device(kind, int(number or 0)) if kind == "cuda" else torch.device(kind)


def available() -> str:
    """The devices that torch sees, for messages: `cpu, cuda:0 (NVIDIA H200)`."""
    names = ["cpu"]
    names += [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return ", ".join(names + ["mps"] * _mps())


def free_memory(device: torch.device) -> int | None:
    """Bytes that an array may still take on the device; None for the CPU, which maps files."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return None


@contextmanager
def reproducible(seed: int, threads: int = 1):
    """Seed torch's own generators and fix its threads inside the block; both are given back after it.

    The sums of a matrix product depend on how many threads share it, so results on a CPU are the same
    to the bit only for the same number of threads. On CUDA, convolutions are held to deterministic kernels and to
    float32 where no autocast is on. Freed memory is kept for the block's next tensors (`training.memory`).
    """
    before = torch.get_num_threads()
    kernels = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), kernels, kept_memory():
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def _mps() -> bool:
    return torch.backends.mps.is_available()
