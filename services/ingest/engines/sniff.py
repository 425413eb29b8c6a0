"""Tell a media container by its own bytes, before any decoder sees it.

A decoder that guesses can be led anywhere: a text file named ``.mp4`` may be a playlist that makes ffmpeg open other files
and addresses (CVE-2016-1898 and its heirs). So the demuxer is chosen here, from binary signatures alone, and forced.
Playlists, manifests, scripts, pictures and documents have no signature here and are therefore refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["DEMUXERS", "HEAD", "Container", "sniff"]

HEAD = 4096  # bytes that decide, unless a large ID3 tag comes first


@dataclass(frozen=True)
class Container:
    """A kind of file: the ffmpeg demuxer to force, and the media types for sound alone and with pictures."""

    demuxer: str
    audio_mime: str
    video_mime: str
    suffix: str


MP4 = Container("mov", "audio/mp4", "video/mp4", ".mp4")
QUICKTIME = Container("mov", "audio/mp4", "video/quicktime", ".mov")
MATROSKA = Container("matroska", "audio/x-matroska", "video/x-matroska", ".mkv")
WEBM = Container("matroska", "audio/webm", "video/webm", ".webm")
AVI = Container("avi", "video/x-msvideo", "video/x-msvideo", ".avi")
WAV = Container("wav", "audio/wav", "audio/wav", ".wav")
AIFF = Container("aiff", "audio/aiff", "audio/aiff", ".aiff")
CAF = Container("caf", "audio/x-caf", "audio/x-caf", ".caf")
FLAC = Container("flac", "audio/flac", "audio/flac", ".flac")
OGG = Container("ogg", "audio/ogg", "video/ogg", ".ogg")
MP3 = Container("mp3", "audio/mpeg", "audio/mpeg", ".mp3")
AAC = Container("aac", "audio/aac", "audio/aac", ".aac")
FLV = Container("flv", "video/x-flv", "video/x-flv", ".flv")
MPEG = Container("mpeg", "video/mpeg", "video/mpeg", ".mpg")
MPEG_TS = Container("mpegts", "video/mp2t", "video/mp2t", ".ts")

_ALL = (MP4, MATROSKA, AVI, WAV, AIFF, CAF, FLAC, OGG, MP3, AAC, FLV, MPEG, MPEG_TS)
DEMUXERS = frozenset(kind.demuxer for kind in _ALL)
"""Every demuxer that the platform ever opens."""

_ATOMS = {b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx"}
_PICTURE_BRANDS = {
    b"heic",
    b"heix",
    b"heim",
    b"heis",
    b"hevc",
    b"hevx",
    b"mif1",
    b"msf1",
    b"avif",
    b"avis",
    b"crx ",
    b"jxl ",
}
_FIXED: tuple[tuple[int, bytes, Container], ...] = (
    (0, b"fLaC", FLAC),
    (0, b"OggS\x00", OGG),
    (0, b"caff\x00\x01", CAF),
    (0, b"FLV\x01", FLV),
    (0, b"\x00\x00\x01\xba", MPEG),
)


def sniff(file: BinaryIO) -> Container | None:
    """Name the container of a file, or of its first ``HEAD`` bytes in a BytesIO; None if it's none that we take.

    Where only the head is at hand and an ID3 tag fills it, MP3 is presumed; the whole file then decides.
    """
    head = _read(file, 0)
    if head[:3] == b"ID3":
        return _after_id3(file, head)
    return _identify(head)


def _read(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    return file.read(HEAD)


def _identify(head: bytes) -> Container | None:
    for offset, magic, kind in _FIXED:
        if head[offset : offset + len(magic)] == magic:
            return kind
    finders: tuple[Callable[[bytes], Container | None], ...] = (_iso, _riff, _iff, _ebml, _transport_stream, _framed)
    return next((found for find in finders if (found := find(head))), None)


def _iso(head: bytes) -> Container | None:
    """ISO 14496-12 and QuickTime: the first box is a known one, or ``ftyp`` with a brand of video or sound."""
    if len(head) < 8:
        return None
    size, name = int.from_bytes(head[:4], "big"), head[4:8]
    if name == b"ftyp":
        brand = head[8:12]
        if size < 12 or brand in _PICTURE_BRANDS:
            return None
        return QUICKTIME if brand == b"qt  " else MP4
    if name in _ATOMS and (size >= 8 or size in {0, 1}):
        return QUICKTIME
    return None


def _riff(head: bytes) -> Container | None:
    form = head[8:12]
    if head[:4] == b"RIFF":
        return {b"WAVE": WAV, b"AVI ": AVI, b"AVIX": AVI}.get(form)
    return WAV if head[:4] in {b"RF64", b"BW64"} and form == b"WAVE" else None


def _iff(head: bytes) -> Container | None:
    return AIFF if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"} else None


def _ebml(head: bytes) -> Container | None:
    """Matroska (RFC 9559): the EBML header names its document type."""
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return None
    header = head[:128]
    if b"\x42\x82\x84webm" in header:
        return WEBM
    return MATROSKA if b"\x42\x82\x88matroska" in header else None


def _transport_stream(head: bytes) -> Container | None:
    """ISO 13818-1: a sync byte at the start of each packet; Blu-ray's have four bytes of time in front."""
    for start, packet in ((0, 188), (4, 192)):
        marks = head[start::packet]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return MPEG_TS
    return None


def _after_id3(file: BinaryIO, head: bytes) -> Container | None:
    """ID3v2 leads MP3 mostly, but AAC, FLAC and AIFF files carry it too. Its length is four bytes of seven bits."""
    if len(head) < 10 or any(byte & 0x80 for byte in head[6:10]):
        return None
    length = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    footer = 10 if head[5] & 0x10 else 0
    rest = _read(file, 10 + length + footer)
    if not rest and len(head) == HEAD:
        return MP3
    rest = rest.lstrip(b"\x00")  # some writers pad beyond the tag's own length
    return FLAC if rest[:4] == b"fLaC" else _framed(rest)


def _framed(head: bytes) -> Container | None:
    """Bare MPEG audio or ADTS: two frames in a row, each header naming where the next one is."""
    for kind, length in ((AAC, _adts_length), (MP3, _mpeg_audio_length)):
        first = length(head, 0)
        if first and (length(head, first) or len(head) <= first):
            return kind
    return None


def _adts_length(data: bytes, at: int) -> int:
    """Length of the ADTS frame at ``at`` (ISO 13818-7, 6.2), or 0."""
    header = data[at : at + 7]
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or (header[2] >> 2) & 0x0F > 12:
        return 0
    length = (header[3] & 0x03) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


_KBPS = {  # by (MPEG-1?, layer): ISO 11172-3 and 13818-3
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mpeg_audio_length(data: bytes, at: int) -> int:
    """Length of the MPEG audio frame at ``at``, or 0."""
    header = data[at : at + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    rate, frequency, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or rate in {0, 15} or frequency == 3:
        return 0
    bits, hertz = _KBPS[version == 3, layer][rate - 1] * 1000, _HZ[version][frequency]
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    samples = 1152 if layer == 2 or version == 3 else 576
    return samples // 8 * bits // hertz + padding
