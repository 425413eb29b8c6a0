"""Making a clip's file.

ffmpeg does sound and picture; Pillow, NumPy and fontTools what is drawn; PyAV looks at the result. ``renderer`` leads.
Each ``*_child`` is a process of its own, so that the worker stays small.
"""

from pathlib import Path

FONTS = Path(__file__).resolve().parents[1] / "fonts"
SAMPLE_RATE = 16_000  # Hz, mono: the sound that bars are drawn from
