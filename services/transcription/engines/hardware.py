"""On what hardware Whisper runs here, and in which numbers: said with its reason."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import NamedTuple

import ctranslate2

__all__ = ["Device", "Hardware", "fitting", "here"]

WORKSPACE = 2 * 1024**3  # bytes that decoding takes beside the weights: the batches' features, keys and values
PREFERRED: dict[str, tuple[str, ...]] = {
    "cpu": ("int8", "int8_float32", "float32"),
    "cuda": ("float16", "int8_float16", "int8", "float32"),
}
SPARING: tuple[str, ...] = ("int8_float16", "int8", "float16", "float32")  # the same for a GPU whose memory is short


class Device(NamedTuple):
    """What was found out about a processor or GPU."""

    name: str  # CTranslate2's: "cpu" or "cuda"
    computes: frozenset[str]  # CTranslate2's compute types that it does
    free: int | None = None  # bytes of memory; None: not known


class Hardware(NamedTuple):
    """Where to run, in CTranslate2's words."""

    device: str
    compute: str
    reason: str


def fitting(device: Device, compute: str, weights: int) -> Hardware:
    """The numbers to compute in: ``compute`` itself, or with "auto" the fastest that ``device`` does well.

    ``weights`` is the size in bytes of the model's weights in half precision.
    """
    place = "the GPU" if device.name == "cuda" else "the processor"
    if compute != "auto":
        return Hardware(device.name, compute, f"It computes on {place} in {compute}, as the setting says.")
    if device.name == "cuda" and device.free is not None and device.free < weights + WORKSPACE:
        order = SPARING
        why = f", because only {device.free / 1024**3:.1f} GB of its memory are free"
    else:
        order, why = PREFERRED[device.name], ""
    numbers = next((each for each in order if each in device.computes), "default")
    return Hardware(device.name, numbers, f"It computes on {place} in {numbers}{why}.")


def here(device: str, compute: str, model: Path) -> Hardware:
    """Choose for this machine. ``device`` is "cpu", "cuda" or "auto"; ``model`` a CTranslate2 folder."""
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    found = Device(
        device,
        frozenset(ctranslate2.get_supported_compute_types(device)),
        _free() if device == "cuda" else None,
    )
    return fitting(found, compute, (model / "model.bin").stat().st_size)


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


def _free() -> int | None:
    """Bytes that are free on the first GPU, asked of the driver's own library; None where it does not tell."""
    try:
        driver = ctypes.CDLL("libnvidia-ml.so.1")
        handle, memory = ctypes.c_void_p(), _Memory()
        told = (
            driver.nvmlInit_v2() == 0
            and driver.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(handle)) == 0
            and driver.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)) == 0
        )
    except (OSError, AttributeError):
        return None
    return int(memory.free) if told else None
