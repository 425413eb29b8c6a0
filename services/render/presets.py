"""The frames that a clip can be made for: one row a platform, by its published rules as its authors knew them in 2026.

Sizes are pixels, lengths seconds, rates bit/s, loudness LUFS, the ceiling dBTP. Safe areas are shares of the frame that
the platform's own buttons and texts lie on, so nothing that must be read goes there; captions keep 15 % from the bottom
everywhere.

After: TikTok "Video specifications" (10 min upload, 9:16), Instagram Help "Reels" (3 min since January 2025), YouTube
Help "Shorts" (3 min since October 2024), Meta and LinkedIn feed specifications (1:1), YouTube upload recommendations
(16:9). -14 LUFS is what YouTube, Spotify and TikTok play back at (AES TD1008 allows -14 to -16 for speech on phones).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from libs.contracts.media import Preset

SHORTEST = 1.0  # seconds


@dataclass(frozen=True)
class SafeArea:
    """Shares of the frame to keep clear, from each edge."""

    top: float
    right: float
    bottom: float
    left: float


@dataclass(frozen=True)
class Target:
    """What a platform wants of a file."""

    preset: Preset
    label: str
    width: int
    height: int
    longest: float
    fps: int
    crf: int
    video_rate: int
    audio_rate: int
    safe: SafeArea
    loudness: float = -14.0
    ceiling: float = -1.0

    def public(self) -> dict[str, Any]:
        """The row as the API shows it."""
        return asdict(self) | {"preset": self.preset.value, "shortest": SHORTEST}


PORTRAIT = SafeArea(top=0.12, right=0.09, bottom=0.22, left=0.09)
SQUARE = SafeArea(top=0.07, right=0.07, bottom=0.15, left=0.07)
WIDE = SafeArea(top=0.07, right=0.10, bottom=0.15, left=0.10)

M = 1_000_000
K = 1_000

TARGETS: dict[Preset, Target] = {
    target.preset: target
    for target in (
        #      preset            label                   width  height longest fps crf  video   audio   safe
        Target(Preset.TIKTOK, "TikTok", 1080, 1920, 600.0, 30, 21, 8 * M, 160 * K, PORTRAIT),
        Target(Preset.REELS, "Instagram Reels", 1080, 1920, 180.0, 30, 21, 8 * M, 160 * K, PORTRAIT),
        Target(Preset.SHORTS, "YouTube Shorts", 1080, 1920, 180.0, 30, 21, 8 * M, 160 * K, PORTRAIT),
        Target(Preset.SQUARE, "Square feed", 1080, 1080, 600.0, 30, 21, 6 * M, 160 * K, SQUARE),
        Target(Preset.LANDSCAPE, "Landscape", 1920, 1080, 3600.0, 30, 21, 8 * M, 160 * K, WIDE),
        Target(Preset.AUDIOGRAM, "Audiogram", 1080, 1080, 900.0, 30, 20, 5 * M, 160 * K, SQUARE),
    )
}


def default(*, has_video: bool) -> Preset:
    """The frame for a recording whose owner named none."""
    return Preset.SHORTS if has_video else Preset.AUDIOGRAM
