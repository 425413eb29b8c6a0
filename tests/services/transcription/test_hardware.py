"""In which numbers Whisper computes, and why."""

from __future__ import annotations

from pathlib import Path

import ctranslate2
import pytest

from services.transcription.engines.hardware import Device, fitting, here

GIB = 1024**3
EVERYTHING = frozenset({"float32", "float16", "bfloat16", "int8", "int8_float32", "int8_float16"})


@pytest.mark.parametrize(
    ("device", "computes", "free", "expected"),
    [
        ("cpu", {"float32", "int8", "int8_float32"}, None, "int8"),
        ("cpu", {"float32"}, None, "float32"),
        ("cuda", EVERYTHING, 16 * GIB, "float16"),
        ("cuda", EVERYTHING, None, "float16"),
        ("cuda", EVERYTHING, 4 * GIB, "int8_float16"),
        ("cuda", {"float32", "int8"}, 16 * GIB, "int8"),  # a GPU from before half precision
        ("cuda", {"float32"}, 4 * GIB, "float32"),
    ],
)
def test_the_fastest_numbers_that_the_hardware_does_well(
    device: str, computes: set[str], free: int | None, expected: str
) -> None:
    chosen = fitting(Device(device, frozenset(computes), free), "auto", 3 * GIB)
    assert (chosen.device, chosen.compute) == (device, expected)
    assert expected in chosen.reason


def test_short_memory_is_told() -> None:
    assert "4.0 GB of its memory" in fitting(Device("cuda", EVERYTHING, 4 * GIB), "auto", 3 * GIB).reason
    assert "memory" not in fitting(Device("cuda", EVERYTHING, 16 * GIB), "auto", 3 * GIB).reason


def test_a_setting_is_obeyed() -> None:
    chosen = fitting(Device("cuda", EVERYTHING, GIB), "bfloat16", 3 * GIB)
    assert chosen.compute == "bfloat16"
    assert "setting" in chosen.reason


def test_this_machine_gets_numbers_that_it_has(whisper_folder: Path) -> None:
    chosen = here("auto", "auto", whisper_folder)
    assert chosen.device == ("cuda" if ctranslate2.get_cuda_device_count() else "cpu")
    assert chosen.compute in ctranslate2.get_supported_compute_types(chosen.device)
