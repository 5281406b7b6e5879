"""Choose where and how precisely to compute, and how many threads to use."""

import ctypes
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from recap.core.device_names import Device, FeaturePrecision, Precision
from recap.core.errors import InputError
from recap.core.threads import limit_threads

# Locks of GPUs that this process has.
_taken: list[FileLock] = []

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h


def choose_device(device: Device) -> torch.device:
    """Return the device to compute on.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        `auto` takes CUDA, then Apple's MPS, then the CPU, whichever is there first. Of several
        GPUs, one that no other process of recap has taken.

    Raises
    ------
    InputError
        If the machine does not have the device that is asked for.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        device = next(name for name, there in available.items() if there)
    if not available[device]:
        raise InputError(
            f"This machine has no {device} device that PyTorch can use: set `device` to auto."
        )
    if device == "cuda":
        # cuBLAS gives the same bytes each time only with a workspace of fixed size.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.deterministic = True
        # Else convolutions and recurrences in float32 would round their factors to 10 bits.
        torch.backends.cudnn.allow_tf32 = False
        return torch.device("cuda", _take_gpu())
    return torch.device(device)


@cache
def _take_gpu() -> int:
    """Return the first GPU that no other process has taken, and take it until this one ends."""
    for number in range(torch.cuda.device_count()):
        name = f"recap-gpu-{torch.cuda.get_device_properties(number).uuid}.lock"
        lock = FileLock(Path(tempfile.gettempdir()) / name, timeout=0, mode=0o666)
        try:
            lock.acquire()
        except (Timeout, OSError):
            continue
        # A lock that nothing refers to is let go.
        _taken.append(lock)
        return number
    return 0


def choose_precision(
    device: torch.device, precision: Precision | FeaturePrecision = "auto"
) -> torch.dtype:
    """Return the number format that is asked for, or the fastest in which a network still works.

    bfloat16 on GPUs, and on processors with instructions for it, where it runs a convolution two
    to four times as fast as float32; without them it is emulated, and slower.

    Parameters
    ----------
    device : torch.device
        Where to compute.
    precision : {"auto", "float32", "bfloat16", "int8"}
        What is asked for.

    Raises
    ------
    InputError
        If int8 is asked for where it cannot be computed.
    """
    if precision == "int8" and device.type != "cpu":
        raise InputError(
            f"The precision int8 is for processors, not for {device.type}: set `device` to cpu, or"
            " choose another precision."
        )
    if precision == "int8" and "onednn" not in torch.backends.quantized.supported_engines:
        raise InputError(
            "This PyTorch has no oneDNN, which the precision int8 takes: choose another precision."
        )
    if precision != "auto":
        return getattr(torch, precision)
    if device.type == "cpu":
        has = torch.cpu.get_capabilities()
        fast = has.get("avx512_bf16") or has.get("amx_bf16")
    else:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if fast else torch.float32


def has_amx(device: torch.device) -> bool:
    """Return whether a device is a processor whose products in bfloat16 are of whole tiles.

    Parameters
    ----------
    device : torch.device
        Where to compute.
    """
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16"))


def choose_batch(device: torch.device) -> int:
    """Return how many images to compute together.

    On processors, 8 to 64 images at a time were measured to be equally fast; a GPU wants more, as
    far as its memory goes.

    Parameters
    ----------
    device : torch.device
        Where to compute.
    """
    if device.type == "cpu":
        return 16
    if device.type == "cuda" and torch.cuda.get_device_properties(device).total_memory > 8e9:
        return 128
    return 32


def use_threads(threads: int | None) -> int:
    """Limit PyTorch and NumPy to the threads that were given, and to those that the machine has.

    Parameters
    ----------
    threads : int, optional
        Threads given; all of the machine's by default.

    Returns
    -------
    int
        Threads in use.
    """
    threads = limit_threads(threads)
    torch.set_num_threads(threads)
    return threads


def keep_freed_memory() -> None:
    """Have freed memory kept for the next step instead of given back to the system.

    A step of a network frees hundreds of megabytes that the next one wants again. The system would
    clear each page of them anew, which takes up to a fifth of a step, and by chance the next step's
    arrays may not fit where the last ones were, so that memory grows. Only glibc can be told so;
    elsewhere nothing happens.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt:
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
