"""What a voice sounds like, as 256 numbers: the GE2E speaker encoder, run on windows of 1.6 s.

Wan et al., "Generalized end-to-end loss for speaker verification" (2018), in the weights of Resemblyzer (``models/``). Its
input is a mel spectrogram as librosa makes it, in power and not in decibels, so the level of a window matters: each is
brought to the level that the encoder was trained at.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.transcription.engines.protocol import RATE, Sound

__all__ = ["CHANNELS", "HOP", "SIZE", "WINDOW", "embedded", "mel"]

MODEL = Path(__file__).parent / "models" / "ge2e.onnx"
HOP = RATE // 100  # samples between frames
FFT = 400  # samples: 25 ms
CHANNELS = 40
WINDOW = 160  # frames that the encoder was trained on
SIZE = 256
LEVEL = 0.01  # mean mel power of speech at -30 dB of full scale, to which the training data was brought
BATCH = 64  # windows at a time: a few MB

Mel = NDArray[np.float32]


def embedded(windows: Mel) -> NDArray[np.float32]:
    """Prints (n, 256) of unit length for windows (n, 160, 40) of ``mel``, each brought to one level."""
    level = windows.mean(axis=(1, 2))
    scaled = windows * (LEVEL / np.maximum(level, 1e-12))[:, None, None]
    parts = [_session().run(None, {"mel": scaled[at : at + BATCH]})[0] for at in range(0, len(scaled), BATCH)]
    return np.concatenate([*parts, np.empty((0, SIZE), np.float32)])


def mel(sound: Sound, first: int, last: int) -> Mel:
    """Mel power spectrogram (last - first, 40) of the frames ``first`` to ``last``; frame i is centred on sample 160 i.

    As librosa.feature.melspectrogram(n_fft=400, hop_length=160, n_mels=40) at 16 kHz: Hann window, Slaney's scale and
    norm, zeros beyond the ends of the sound.
    """
    begin, end = first * HOP - FFT // 2, (last - 1) * HOP + FFT // 2
    wave = sound[max(0, begin) : max(0, end)].astype(np.float32) / np.float32(32768)
    wave = np.pad(wave, (max(0, -begin), max(0, end - len(sound))))
    frames = np.lib.stride_tricks.sliding_window_view(wave, FFT)[::HOP] * _HANN
    power = np.abs(np.fft.rfft(frames)) ** 2
    return np.asarray(power.astype(np.float32) @ _FILTERS)


@cache
def _session() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # the engine has the other cores
    return onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])


def _filters() -> Mel:
    """Triangles (201, 40) of equal area on Slaney's mel scale: linear to 1 kHz, logarithmic above."""
    linear, step = 3 / 200, 27 / np.log(6.4)  # mels per hertz below 1 kHz, and per e-fold above
    highest = 1000 * linear + step * np.log(RATE / 2 / 1000)
    mels = np.linspace(0, highest, CHANNELS + 2)
    corners = np.where(mels < 1000 * linear, mels / linear, 1000 * np.exp((mels - 1000 * linear) / step))
    bins = (np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
    rising = (bins - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins) / (corners[2:] - corners[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)) * 2 / (corners[2:] - corners[:-2]), dtype=np.float32)


_FILTERS = _filters()
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)
