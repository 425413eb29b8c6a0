"""``./clipstead bench speakers``: how well the speakers of recordings are told apart, beside the answer "one speaker".

``--audio DIR`` takes any folder with recordings and RTTM files, in it or below it, UEM and STM files if there are any; each
folder is a set. Folders at or below one named ``librivox`` that have no RTTM hold one voice each, and mixtures of them are
made. Without it, mixtures of the two voices in ``tests/data/speech`` are measured. Words are PocketSphinx's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from infra.onehost.bench_scores import Errors, Said, Span, errors_of, rttm, stm, uem, word_errors
from infra.onehost.measuring import ensure
from infra.onehost.place import REPOSITORY

if TYPE_CHECKING:
    import numpy as np

    from services.transcription.engines.protocol import Region, Sound, Turn

__all__ = ["Recording", "measure", "mixtures", "recordings"]

SUFFIXES = frozenset({"flac", "mp3", "wav"})  # and the demuxers' names
BUNDLED = REPOSITORY / "tests" / "data" / "speech"
LONGEST = 4 * 3600.0  # seconds of a recording
EACH = 4  # mixtures of so many voices, and of turns so long
TURNS = {"": (2.0, 9.0), " of short turns": (0.8, 4.0)}  # seconds
TURNS_PER_VOICE = 5
PAUSES = (0.05, 0.6)  # seconds between turns
LEVEL, HISS = 2000.0, 5.0  # RMS of every turn, and of what lies between, of 32768
LEAST_VOICE = 8.0  # seconds of speech to make mixtures of
PYANNOTE = "pyannote/speaker-diarization-community-1"

Diarize = Callable[["Sound", Sequence["Region"]], Sequence["Turn"]]


class Recording(NamedTuple):
    """Sound with what is known of it. ``said`` is empty where nobody wrote it down."""

    sound: Sound
    spans: list[Span]
    scored: list[tuple[float, float]]
    said: list[Said]


def measure(audio: Path | None) -> dict[str, Any]:
    """Measure; the keys are those of the JSON that is printed."""
    if audio is not None:
        audio = Path(os.environ.get("CLIPSTEAD_CWD") or Path.cwd()) / audio
    if audio is not None and not audio.is_dir():
        raise ValueError(f"{audio} is no folder.")
    ensure("meeteval", "pyannote", "pyannote.metrics")
    with tempfile.TemporaryDirectory() as scratch:
        results = {name: _scores(name, group) for name, group in sorted(_sets(audio, Path(scratch)).items()) if group}
    if not results:
        raise ValueError(f"There is no recording with an RTTM file in {audio}.")
    return {"sets": results, "cores": os.cpu_count()}


def _sets(audio: Path | None, scratch: Path) -> dict[str, list[Recording]]:
    sets: dict[str, list[Recording]] = {}
    voices: list[Sound] = []
    if audio is None:
        voices = [_decoded(BUNDLED / f"{name}.flac", scratch) for name in ("austen", "kennedy")]
    else:
        for folder in [audio, *sorted(path for path in audio.rglob("*") if path.is_dir())]:
            sets[str(folder.relative_to(audio.parent))] = recordings(folder, scratch)
            if "librivox" in folder.resolve().parts and not any(folder.glob("*.rttm")):
                voices += _voice(folder, scratch)
    return sets | mixtures([voice for voice in voices if len(_speech(voice)) >= LEAST_VOICE * _rate()])


def recordings(folder: Path, scratch: Path) -> list[Recording]:
    """The recordings of a folder (not below it) that its RTTM files know."""
    spans, scored, said = rttm(folder.glob("*.rttm")), uem(folder.glob("*.uem")), stm(folder.glob("*.stm"))
    found = []
    for path in _files(folder):
        if path.stem in spans:
            sound = _decoded(path, scratch)
            within = scored.get(path.stem, [(0.0, len(sound) / _rate())])
            found.append(Recording(sound, spans[path.stem], within, said.get(path.stem, [])))
    return found


def mixtures(voices: Sequence[Sound]) -> dict[str, list[Recording]]:
    """Conversations of 2 to 4 of the voices, always the same ones: read speech, equally loud, pauses between the turns."""
    import numpy as np

    random = np.random.default_rng(1)
    speech = [_speech(voice) for voice in voices]
    sets: dict[str, list[Recording]] = {}
    for kind, lengths in TURNS.items():
        for count in range(2, min(4, len(speech)) + 1):
            sets[f"mixtures of {count} voices{kind}"] = [
                _mixture(
                    [(str(index), speech[index]) for index in random.permutation(len(speech))[:count]], lengths, random
                )
                for _ in range(EACH)
            ]
    return sets


def _mixture(
    voices: Sequence[tuple[str, Sound]], lengths: tuple[float, float], random: np.random.Generator
) -> Recording:
    import numpy as np

    rate = _rate()
    read = {name: int(random.integers(len(speech))) for name, speech in voices}
    parts, spans, last = [], [], ""
    at = 0
    for turn in range(TURNS_PER_VOICE * len(voices)):
        others = [voice for voice in voices if voice[0] != last]
        name, speech = voices[turn] if turn < len(voices) else others[int(random.integers(len(others)))]
        length = min(len(speech), round(random.uniform(*lengths) * rate))
        piece = speech[(read[name] + np.arange(length)) % len(speech)].astype(float)
        read[name] += length
        last = name
        spans.append(Span(at / rate, (at + length) / rate, name))
        gap = round(random.uniform(*PAUSES) * rate)
        parts += [piece * LEVEL / np.sqrt((piece**2).mean()), random.normal(0, HISS, gap)]
        at += length + gap
    sound = np.concatenate(parts).clip(-32768, 32767).astype(np.int16)
    return Recording(sound, spans, [(0.0, at / rate)], [])


def _scores(name: str, group: Sequence[Recording]) -> dict[str, Any]:
    from services.transcription.engines import voice
    from services.transcription.engines.diarizer import BuiltIn
    from services.transcription.engines.protocol import Turn

    pyannote = _pyannote()
    ways: dict[str, Diarize] = {
        "built_in": BuiltIn().diarize,
        "one_speaker": lambda _, regions: [Turn(region.start, region.end, 0) for region in regions],
        **({"pyannote": pyannote} if pyannote else {}),
    }
    regions = [voice.regions(recording.sound, lambda _: None) for recording in group]
    scores: dict[str, Any] = {
        "recordings": len(group),
        "seconds": round(sum(len(recording.sound) for recording in group) / _rate(), 1),
        "speakers": [len({span.speaker for span in recording.spans}) for recording in group],
    }
    for way, diarize in ways.items():
        began = time.process_time()
        turns = [diarize(recording.sound, heard) for recording, heard in zip(group, regions, strict=True)]
        took = time.process_time() - began
        known = list(zip(group, regions, turns, strict=True))
        scores[way] = {
            **{key: round(_error_rate(known, collar), 3) for key, collar in (("der_0", 0.0), ("der_025", 0.25))},
            "speakers": [len({turn.speaker for turn in found}) for found in turns],
            "cpu_s_per_s": round(took / scores["seconds"], 4),
            **_word_scores([each for each in known if each[0].said]),
        }
    print(f"{name}: {scores}", file=sys.stderr, flush=True)
    return scores


def _error_rate(known: Sequence[tuple[Recording, Sequence[Region], Sequence[Turn]]], collar: float) -> float:
    errors = Errors()
    for recording, _, turns in known:
        found = [Span(turn.start, turn.end, str(turn.speaker)) for turn in turns]
        errors += errors_of(recording.spans, found, recording.scored, collar)
    return errors.rate


def _word_scores(known: Sequence[tuple[Recording, Sequence[Region], Sequence[Turn]]]) -> dict[str, float]:
    """Mean cpWER and tcpWER of the recordings whose words are known, heard by PocketSphinx."""
    from services.transcription.engines.sentences import attributed, fitted, sentences
    from services.transcription.engines.sphinx import PocketSphinx

    if not known:
        return {}
    engine = PocketSphinx(1)
    rates = []
    try:
        for recording, regions, turns in known:
            heard = engine.transcribe(recording.sound, regions, "en", lambda _: None)
            found = sentences(attributed(fitted(heard.words, regions), turns), engine.quality)
            said = [Said(s.words[0].start, s.words[-1].end, str(s.speaker), s.text) for s in found]
            rates.append(word_errors(recording.said, said))
    finally:
        engine.close()
    cpwer, tcpwer = (sum(each) / len(rates) for each in zip(*rates, strict=True))
    return {"cpwer": round(cpwer, 3), "tcpwer": round(tcpwer, 3)}


def _pyannote() -> Diarize | None:
    """Give pyannote's pipeline where it is installed and its weights lie in the hub's cache; says so where they don't."""
    try:
        from pyannote.audio import Pipeline
    except ImportError:
        print("pyannote is not installed: left out.", file=sys.stderr)
        return None
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        pipeline = Pipeline.from_pretrained(PYANNOTE)
    except Exception as error:
        print(f"pyannote's weights are not here ({error}): left out.", file=sys.stderr)
        return None

    def diarize(sound: Sound, _: Sequence[Region]) -> list[Turn]:
        import numpy as np
        import torch

        from services.transcription.engines.protocol import Turn

        wave = torch.from_numpy(sound.astype(np.float32) / 32768)[None]
        found = pipeline({"waveform": wave, "sample_rate": _rate()})
        annotation = getattr(found, "speaker_diarization", found)
        labels = {label: index for index, label in enumerate(annotation.labels())}
        return [Turn(part.start, part.end, labels[label]) for part, _, label in annotation.itertracks(yield_label=True)]

    return diarize


def _voice(folder: Path, scratch: Path) -> Iterator[Sound]:
    import numpy as np

    files = _files(folder)
    if files:
        yield np.concatenate([_decoded(path, scratch) for path in files])


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix[1:].lower() in SUFFIXES)


def _decoded(path: Path, scratch: Path) -> Sound:
    import numpy as np

    from services.transcription.engines import sound

    target = scratch / "samples"
    sound.decode(path, path.suffix[1:].lower(), target, LONGEST, lambda _: None)
    return np.array(sound.opened(target))


def _speech(sound: Sound) -> Sound:
    import numpy as np

    from services.transcription.engines import voice

    regions = voice.regions(sound, lambda _: None)
    rate = _rate()
    parts = [sound[round(region.start * rate) : round(region.end * rate)] for region in regions]
    return np.concatenate([sound[:0], *parts])


def _rate() -> int:
    from services.transcription.engines.protocol import RATE

    return RATE
