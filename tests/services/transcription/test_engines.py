"""What every speech engine promises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from services.transcription.engines.protocol import Ask, Engine, Region, Sound
from services.transcription.engines.sphinx import PocketSphinx
from services.transcription.engines.utterances import utterances
from tests.services.transcription.conftest import speech_in

ROOT = Path(__file__).resolve().parents[3]


def test_an_engine_hears_words_in_order_near_the_speech(engine: Engine, kennedy: Sound) -> None:
    regions = speech_in(kennedy)
    told: list[float] = []
    heard = engine.transcribe(kennedy, regions, "en", told.append)
    assert heard.words
    assert (heard.language, heard.language_confidence, heard.translation) == ("en", 1.0, ())
    assert all(word.text and word.text == word.text.strip() for word in heard.words)
    assert all(0 <= word.confidence <= 1 and word.start <= word.end for word in heard.words)
    assert all(word.start <= following.start for word, following in pairwise(heard.words))
    assert heard.words[0].start >= regions[0].start - 0.2
    assert heard.words[-1].end <= regions[-1].end + 0.2


def test_an_engine_tells_progress_up_to_all_of_the_speech(engine: Engine, austen: Sound) -> None:
    regions = speech_in(austen)
    told: list[float] = []
    engine.transcribe(austen, regions, "", told.append)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(sum(region.end - region.start for region in regions))


def test_an_engine_given_no_speech_hears_nothing(engine: Engine, kennedy: Sound) -> None:
    assert engine.transcribe(kennedy, [], "en", lambda _: None).words == []


def test_an_engine_finds_the_language_by_itself_and_tells_how_sure_it_is(engine: Engine, austen: Sound) -> None:
    heard = engine.transcribe(austen, speech_in(austen), "", lambda _: None)
    assert heard.language == "en"
    assert 0.5 < heard.language_confidence <= 1


def test_an_engine_takes_every_wish_and_leaves_undone_what_it_cannot_do(engine: Engine, kennedy: Sound) -> None:
    regions = speech_in(kennedy)
    told: list[float] = []
    wishes = Ask(prompt="A speech from a long time ago.", hotwords=("Kathryn",), translate=True)
    heard = engine.transcribe(kennedy, regions, "en", told.append, wishes)
    assert len(heard.words) > 10
    assert heard.translation == ()  # it is English already
    assert told == sorted(told)
    assert told[-1] == pytest.approx(sum(region.end - region.start for region in regions))


def test_an_engine_says_how_it_runs_here(engine: Engine) -> None:
    assert engine.name in {"pocketsphinx", "faster-whisper", "hosted"}
    assert engine.model
    assert engine.quality == ("draft" if engine.name == "pocketsphinx" else "standard")
    assert engine.reason.startswith("It ")
    assert engine.reason.endswith(".")


def test_the_same_sound_gives_the_same_words(engine: Engine, kennedy: Sound) -> None:
    regions = speech_in(kennedy)
    first, second = (engine.transcribe(kennedy, regions, "en", lambda _: None) for _ in range(2))
    assert first == second


def test_pocketsphinx_hears_what_kennedy_said(kennedy: Sound) -> None:
    engine = PocketSphinx(1)
    heard = [word.text for word in engine.transcribe(kennedy, speech_in(kennedy), "en", lambda _: None).words]
    engine.close()
    assert engine.quality == "draft"
    assert {"my", "fellow", "can", "do", "for", "you", "what"} <= set(heard)
    assert not any(mark in word for word in heard for mark in "<>[](+")


def test_utterances_cover_the_regions_and_are_short_enough(kennedy: Sound) -> None:
    regions = [Region(0.0, 7.5), Region(7.6, 8.0), Region(9.9, 11.0)]
    cuts = utterances(kennedy, regions, join=0.5, longest=3.0)
    assert all(cut.end - cut.start <= 3.0 for cut in cuts)
    assert all(cut.end <= following.start for cut, following in pairwise(cuts))
    spoken = sum(region.end - region.start for region in regions)
    inside = sum(max(0, min(cut.end, region.end) - max(cut.start, region.start)) for cut in cuts for region in regions)
    assert inside == pytest.approx(spoken)


@pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")
def test_decoder_processes_end_with_a_parent_that_was_killed() -> None:
    program = (
        "from services.transcription.engines.sphinx import PocketSphinx\n"
        "import multiprocessing, time\n"
        "if __name__ == '__main__':\n"
        "    engine = PocketSphinx(2)\n"
        "    engine._pool.submit(time.sleep, 0).result()\n"
        "    print(*[child.pid for child in multiprocessing.active_children()], flush=True)\n"
        "    time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert workers
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    limit = time.monotonic() + 30
    while alive := [pid for pid in workers if _runs(pid)]:
        assert time.monotonic() < limit, f"still running: {alive}"
        time.sleep(0.1)


def _runs(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
