# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "av>=16", "ctranslate2==4.8.5", "faster-whisper>=1.2", "numpy>=2", "pocketsphinx>=5.0.4", "scipy>=1.16",
#     "tokenizers", "torch==2.13.0", "transformers==5.24.0",
# ]
# ///
"""Makes ``tiny-whisper/``: a real Whisper, very small, that reads the sentences of ``spoken.py`` and no others.

Run it as ``python tests/models/make_tiny_whisper.py SCRATCH``, in an environment with the dependencies above and with
espeak-ng installed. What it learnt so far is kept in the folder SCRATCH; interrupted, it goes on from there.

Whisper learns from 680,000 hours where to look in the sound. Here three things make up for those: the word that is said in
each frame is told to the encoder by a head that is thrown away afterwards; two heads of the decoder's last layer are told
where the next word is, which later gives the word times; and short pieces of sound are placed anywhere in the half minute,
by the encoder's position encodings alone, so that all 1501 time stamps come up long before whole windows are affordable.
"""

from __future__ import annotations

import copy
import json
import math
import random
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from ctranslate2.converters.transformers import WhisperLoader
from faster_whisper.feature_extractor import FeatureExtractor
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from torch import nn
from transformers import WhisperConfig, WhisperForConditionalGeneration

sys.path.insert(0, str(Path(__file__).resolve().parent))
import spoken
from spoken import RATE, Clip, Spoken

SEED = 20
HERE = Path(__file__).resolve().parent
LANGUAGES = ("en", "de")
SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{language}|>" for language in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
    *(f"<|{at / 50:.2f}|>" for at in range(1501)),
]
NEVER_SAID = "}"  # a token
NAMING = next(sentence for sentence in spoken.ENGLISH if spoken.SPELLINGS[0] in sentence)
PUNCTUATION = ",.?"
FRAMES = 50  # of the encoder's output, per second
FIRST_STAMP = 1.0  # seconds: decoders allow no later time stamp at the beginning of a window
GUIDED = (0, 1)  # heads of the last layer that are told where to look, and later give the word times


@dataclass(frozen=True)
class Stage:
    """Windows of at most so many seconds, in batches of so many, for so many steps."""

    seconds: float
    batch: int
    steps: int
    rate: float
    fall: int = 0  # steps in which the rate falls to a tenth; 0: all
    whole: bool = False  # as at run time: at the window's begin, and the rest of its half minute empty
    named: float = 0.0  # share of windows that have the name with two spellings in them
    ours: float = 0.0  # share of windows with synthesised sentences alone, which are short and so many
    snug: float = 0.0  # share of windows that end with their last sentence, as voice activity detection cuts them
    short: bool = False  # in bfloat16, which is faster by half


STAGES = (
    Stage(5.0, 16, 500, 2e-3),
    Stage(9.0, 12, 120, 1.5e-3),
    Stage(30.0, 5, 230, 1.5e-3, fall=380, whole=True),
    Stage(30.0, 5, 150, 1.2e-3, whole=True, named=0.2, short=True),
    Stage(30.0, 5, 130, 1.2e-3, whole=True, named=0.1, ours=0.7, short=True),
    Stage(30.0, 5, 100, 1.0e-3, whole=True, named=0.15, ours=0.5, snug=0.6, short=True),
)


# text ---------------------------------------------------------------------------------------------------------------


def tokenizer() -> Tokenizer:
    """A byte-level vocabulary in which every known word is one token."""
    made = Tokenizer(BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    texts = [*spoken.ENGLISH, *spoken.GERMAN, *spoken.KENNEDY, *spoken.AUSTEN, *spoken.SPELLINGS]
    trainer = trainers.BpeTrainer(
        vocab_size=4000, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    made.train_from_iterator([f" {text}" for text in texts], trainer)
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return made


# windows ------------------------------------------------------------------------------------------------------------


@dataclass
class Said:
    """A sentence in a window. ``whole`` is False where the window ends within it."""

    text: str
    words: list[Spoken]
    translation: str
    whole: bool = True


@dataclass
class Window:
    """Sound, and what is said in it, in the order of time."""

    samples: np.ndarray
    said: list[Said] = field(default_factory=list)
    language: str = "en"


def _altered(clip: Clip, chance: random.Random) -> tuple[np.ndarray, list[Spoken]]:
    """Louder or softer, and a little faster or slower."""
    pace = chance.uniform(0.93, 1.07)
    at = np.arange(0, len(clip.samples) - 1, pace)
    samples = np.interp(at, np.arange(len(clip.samples)), clip.samples).astype(np.float32)
    samples *= 10 ** (chance.uniform(-14, 4) / 20)
    return samples, [Spoken(word.text, word.start / pace, word.end / pace) for word in clip.words]


def window(
    clips: dict[str, dict[str, list[Clip]]], seconds: float, chance: random.Random, *, named: bool = False
) -> Window:
    """Sentences in random order with random pauses, noise below them; or nothing but noise or silence.

    With ``named`` the name with two spellings is among the first that are said.
    """
    length = seconds if chance.random() < 0.5 else chance.uniform(2.0, seconds)
    made = Window(np.zeros(round(length * RATE), np.float32), language="de" if chance.random() < 0.35 else "en")
    if named:
        made.language = "en"
    if chance.random() > 0.08 or named:
        _speak(made, clips[made.language], chance, named=named)
    if chance.random() < 0.6:
        hiss = np.random.default_rng(chance.getrandbits(32)).normal(0, 1, len(made.samples)).astype(np.float32)
        if chance.random() < 0.5:
            hiss = np.convolve(hiss, np.ones(8, np.float32) / 8, "same")
        made.samples += hiss * np.float32(10 ** (chance.uniform(-85, -42) / 20))
    return made


def _speak(made: Window, known: dict[str, list[Clip]], chance: random.Random, *, named: bool) -> None:
    tight = chance.random() < 0.4  # as voice activity detection leaves it
    at = chance.uniform(0.05, 0.3) if tight or chance.random() < 0.5 else chance.uniform(0.3, 2.0)
    order = chance.sample(sorted(known), len(known))
    if named:
        order.remove(NAMING)
        order.insert(chance.randrange(3), NAMING)
    for sentence in order:
        samples, words = _altered(chance.choice(known[sentence]), chance)
        first, end = round(at * RATE), round(at * RATE) + len(samples)
        if end > len(made.samples):
            if made.said and first < len(made.samples) - RATE // 2 and chance.random() < 0.5:
                made.samples[first:] += samples[: len(made.samples) - first]
                made.said.append(Said(sentence, _moved(words, at), "", whole=False))
                return
            if made.said:
                continue
            room = len(made.samples) - len(samples) - 800
            if room < 0:  # not even one fits: a shorter one may
                continue
            first = chance.randrange(800, 800 + room + 1)
            at, end = first / RATE, first + len(samples)
        made.samples[first:end] += samples
        made.said.append(Said(sentence, _moved(words, at), spoken.GERMAN.get(sentence, sentence)))
        at = end / RATE + (chance.uniform(0.15, 0.6) if tight else chance.uniform(0.15, 1.8))


def _cut(made: Window, after: float) -> None:
    """End a window some seconds after its last whole sentence."""
    made.said = [said for said in made.said if said.whole]
    if made.said:
        made.samples = made.samples[: round((made.said[-1].words[-1].end + after) * RATE)]


def _moved(words: list[Spoken], by: float) -> list[Spoken]:
    return [Spoken(word.text, word.start + by, word.end + by) for word in words]


# lessons ------------------------------------------------------------------------------------------------------------


@dataclass
class Lesson:
    """A window as the model is to take it: each label with where in the sound it is found (encoder frames)."""

    features: np.ndarray
    offset: int  # of the first frame in the half minute
    tokens: list[int]
    labels: list[int]
    places: list[tuple[int, int]]
    frames: np.ndarray  # the word that is said in each frame, as its first token; 0: none


NOWHERE = (-1, -1)
IGNORED = -100


class Teacher:
    """Makes lessons of windows."""

    def __init__(self, words: Tokenizer, clips: dict[str, dict[str, list[Clip]]]) -> None:
        self._words = words
        self._clips = clips
        self._ours = {
            language: {
                sentence: takes for sentence, takes in known.items() if takes[0].voice not in ("kennedy", "austen")
            }
            for language, known in clips.items()
        }
        self._mel = FeatureExtractor()
        self.begin = self._id("<|notimestamps|>") + 1

    def _id(self, token: str) -> int:
        found = self._words.token_to_id(token)
        assert found is not None, token
        return int(found)

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""
        return list(self._words.encode(text, add_special_tokens=False).ids)

    def lesson(self, stage: Stage, chance: random.Random) -> Lesson:
        """Make one lesson."""
        named = stage.named > 0 and chance.random() < stage.named
        known = self._ours if stage.ours > 0 and chance.random() < stage.ours else self._clips
        made = window(known, stage.seconds, chance, named=named)
        if stage.snug > 0 and chance.random() < stage.snug:
            _cut(made, chance.uniform(0.1, 0.4))
        features = self._mel(made.samples)[..., :-1] if chance.random() < 0.5 else self._mel(made.samples, padding=0)
        long = round(30 if stage.whole else stage.seconds) * 100
        features = features[:, :long]
        if features.shape[1] < long:
            features = np.pad(features, ((0, 0), (0, long - features.shape[1])))
        most = 1500 - long // 2
        offset = 0 if stage.whole or chance.random() < 0.2 else chance.randrange(most + 1)
        return self._written(made, features.astype(np.float32), offset, chance, 0.5 if named else 0.2)

    def _written(
        self, made: Window, features: np.ndarray, offset: int, chance: random.Random, prompted: float
    ) -> Lesson:
        stamped = chance.random() < 0.5
        task = "translate" if chance.random() < (0.2 if made.language == "de" else 0.05) else "transcribe"
        prompt, spelt = self._prompt(chance, prompted)
        prefix = [self._id(f"<|{made.language}|>"), self._id(f"<|{task}|>")]
        prefix += [] if stamped else [self._id("<|notimestamps|>")]
        body: list[int] = []
        places: list[tuple[int, int]] = []
        total = features.shape[1] // 2
        for number, said in enumerate(made.said):
            following = made.said[number + 1].words[0].start if number + 1 < len(made.said) else total / FRAMES
            stamps = [self._stamp(at, offset, first=not body) for at in (said.words[0].start, said.words[-1].end)]
            if not said.whole:
                if stamped:
                    body.append(stamps[0])
                    places.append(_around(said.words[0].start))
                break
            if stamped:
                body.append(stamps[0])
                places.append(_around(said.words[0].start))
            if task == "translate":
                span = (round(said.words[0].start * FRAMES), round(said.words[-1].end * FRAMES))
                tokens = self.encode(f" {_spelling(said.translation, spelt=spelt)}")
                body += tokens
                places += [span] * len(tokens)
            else:
                for token, place in self._placed(said.words, following, spelt=spelt):
                    body.append(token)
                    places.append(place)
            if stamped:
                body.append(stamps[1])
                places.append(_around(said.words[-1].end))
        if stamped and not made.said:
            body, places = [self.begin + offset], [NOWHERE]
        ended = max((said.words[-1].end for said in made.said if said.whole), default=0.0)
        body.append(self._id("<|endoftext|>"))
        places.append((round(ended * FRAMES), total) if made.said else NOWHERE)
        start = [*prompt, self._id("<|startoftranscript|>")]
        tokens = [*start, *prefix, *body[:-1]]
        opening = prefix[0] if made.said else self._id("<|nospeech|>")
        labels = [*[IGNORED] * len(prompt), opening, *[IGNORED] * (len(prefix) - 1), *body]
        places = [*[NOWHERE] * (len(start) + len(prefix) - 1), *places]
        places = [(max(0, min(low, total - 1)), min(total, high)) if high >= 0 else NOWHERE for low, high in places]
        return Lesson(features, offset, tokens, labels, places, self._frames(made, total))

    def _prompt(self, chance: random.Random, prompted: float) -> tuple[list[int], bool]:
        """What was said before, or hot words, in a share of the windows. One of them changes a spelling."""
        if chance.random() > prompted:
            return [], False
        sentences = [*spoken.ENGLISH, *spoken.GERMAN]
        texts = chance.sample(" ".join(sentences).split(), chance.randrange(1, 4)) if chance.random() < 0.6 else []
        spelt = chance.random() < 0.6
        if spelt or not texts:
            texts.insert(chance.randrange(len(texts) + 1), spoken.SPELLINGS[1] if spelt else chance.choice(sentences))
        text = " ".join(texts)
        return [self._id("<|startofprev|>"), *self.encode(f" {text}" if chance.random() < 0.7 else text)], spelt

    def _stamp(self, at: float, offset: int, *, first: bool) -> int:
        frame = round(at * FRAMES) + offset
        return self.begin + min(round(FIRST_STAMP * FRAMES) if first and not offset else 1500, frame)

    def _placed(self, words: list[Spoken], following: float, *, spelt: bool) -> list[tuple[int, tuple[int, int]]]:
        """Each token with its frames. Punctuation takes the pause behind its word, so that the pause belongs to none."""
        placed = []
        for number, word in enumerate(words):
            after = words[number + 1].start if number + 1 < len(words) else following
            tokens = self.encode(f" {_spelling(word.text, spelt=spelt)}")
            parts = [token for token in tokens if self._words.decode([token]) not in PUNCTUATION]
            stop = word.end if len(parts) < len(tokens) else after if after - word.end < 0.2 else word.end
            edges = np.linspace(word.start, stop, len(parts) + 1)
            bounds = [*pairwise(edges), *[(word.end, after)] * (len(tokens) - len(parts))]
            for token, (low, high) in zip(tokens, bounds, strict=True):
                frame = round(low * FRAMES)
                placed.append((token, (frame, max(frame + 2, round(high * FRAMES)))))
        return placed

    def _frames(self, made: Window, total: int) -> np.ndarray:
        frames = np.zeros(total, np.int64)
        for said in made.said:
            for word in said.words:
                frames[round(word.start * FRAMES) : round(word.end * FRAMES)] = self.encode(f" {word.text}")[0]
        return frames


def _spelling(text: str, *, spelt: bool) -> str:
    return text.replace(*spoken.SPELLINGS) if spelt else text


def _around(at: float) -> tuple[int, int]:
    return round((at - 0.06) * FRAMES), round((at + 0.06) * FRAMES)


# the model ----------------------------------------------------------------------------------------------------------


def model(vocabulary: int, begin: int) -> WhisperForConditionalGeneration:
    """Whisper's architecture with a million parameters. Time stamps begin as the encodings of their positions."""
    eot = begin - SPECIAL.index("<|0.00|>")
    config = WhisperConfig(
        vocab_size=vocabulary,
        d_model=128,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=384,
        decoder_ffn_dim=384,
        num_mel_bins=80,
        dropout=0.0,
        attention_dropout=0.0,
        pad_token_id=eot,
        bos_token_id=eot,
        eos_token_id=eot,
        decoder_start_token_id=eot + 1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        attn_implementation="eager",
    )
    made = WhisperForConditionalGeneration(config)
    fast = copy.deepcopy(made.config)
    fast._attn_implementation = "sdpa"
    for layer in made.model.encoder.layers:
        layer.self_attn.config = fast
    with torch.no_grad():
        embeddings = made.model.decoder.embed_tokens.weight
        embeddings.normal_(0, 0.05)
        embeddings[begin : begin + 1500] = 0.1 * made.model.encoder.embed_positions.weight
    return made


class Pupil(nn.Module):
    """The model, and the head that is thrown away."""

    def __init__(self, whisper: WhisperForConditionalGeneration, begin: int) -> None:
        super().__init__()
        self.whisper = whisper
        self.aside = nn.Linear(whisper.config.d_model, begin)
        self._begin = begin
        self._seen: list[torch.Tensor] = []
        whisper.model.decoder.layers[-1].encoder_attn.register_forward_hook(
            lambda _module, _input, output: self._seen.append(output[1])
        )

    def encode(self, features: torch.Tensor, offsets: list[int]) -> torch.Tensor:
        """Whisper's encoder, on a piece of the half minute that begins anywhere."""
        encoder = self.whisper.model.encoder
        hidden = nn.functional.gelu(encoder.conv1(features))
        hidden = nn.functional.gelu(encoder.conv2(hidden)).permute(0, 2, 1)
        length = hidden.shape[1]
        places = torch.stack([encoder.embed_positions.weight[at : at + length] for at in offsets])
        hidden = hidden + places
        for layer in encoder.layers:
            out = layer(hidden, None)
            hidden = out[0] if isinstance(out, tuple) else out
        return encoder.layer_norm(hidden)

    def forward(self, lessons: list[Lesson]) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss over a batch, and its parts."""
        hidden = self.encode(
            torch.from_numpy(np.stack([each.features for each in lessons])), [each.offset for each in lessons]
        )
        longest = max(len(each.tokens) for each in lessons)
        tokens = torch.zeros(len(lessons), longest, dtype=torch.long)
        labels = torch.full((len(lessons), longest), IGNORED)
        places = torch.full((len(lessons), longest, 2), -1)
        for row, each in enumerate(lessons):
            tokens[row, : len(each.tokens)] = torch.tensor(each.tokens)
            labels[row, : len(each.labels)] = torch.tensor(each.labels)
            places[row, : len(each.places)] = torch.tensor(each.places)
        self._seen.clear()
        decoded = self.whisper.model.decoder(input_ids=tokens, encoder_hidden_states=hidden, use_cache=False)
        logits = self.whisper.proj_out(decoded.last_hidden_state)
        words = self._words(logits, labels)
        looks = self._looks(self._seen[-1][:, list(GUIDED)], places)
        frames = torch.from_numpy(np.stack([each.frames for each in lessons]))[:, ::3]
        heard = nn.functional.cross_entropy(self.aside(hidden[:, ::3]).flatten(0, 1), frames.flatten())
        parts = {"words": words.item(), "looks": looks.item(), "heard": heard.item()}
        return words + 0.5 * looks + 0.5 * heard, parts

    def _words(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross entropy. A time stamp that is off by a frame or two is nearly right."""
        wanted = labels != IGNORED
        chances = nn.functional.log_softmax(logits[wanted].float(), dim=-1)
        right = labels[wanted]
        loss = -chances.gather(1, right[:, None])[:, 0]
        stamps = right >= self._begin
        if stamps.any():
            near = torch.arange(-3, 4)
            weights = torch.softmax(-(near.float() ** 2) / 4, 0)
            at = (right[stamps][:, None] + near).clamp(self._begin, logits.shape[-1] - 1)
            loss = loss.clone()
            loss[stamps] = -(chances[stamps].gather(1, at) * weights).sum(1)
        return loss.mean()

    @staticmethod
    def _looks(attention: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """How far the guided heads (batch, head, token, frame) look away from where they should."""
        frame = torch.arange(attention.shape[-1])
        inside = (frame >= places[..., :1]) & (frame < places[..., 1:])
        share = (attention.float() * inside[:, None]).sum(-1)
        return -torch.log(share + 1e-5)[(places[..., 1] >= 0)[:, None].expand_as(share)].mean()


# training and keeping -----------------------------------------------------------------------------------------------


def by_sentence(clips: list[Clip]) -> dict[str, dict[str, list[Clip]]]:
    """Clips by language and sentence."""
    sorted_: dict[str, dict[str, list[Clip]]] = {language: {} for language in LANGUAGES}
    for clip in clips:
        sorted_[clip.language].setdefault(clip.sentence, []).append(clip)
    return sorted_


def train(words: Tokenizer, scratch: Path) -> Pupil:
    """Teach all stages. Goes on from what ``scratch`` holds."""
    clips = [*spoken.clips(spoken.TAUGHT), *spoken.real()]
    teacher = Teacher(words, by_sentence(clips))
    torch.manual_seed(SEED)
    pupil = Pupil(model(words.get_vocab_size(), teacher.begin), teacher.begin)
    best = torch.optim.AdamW(pupil.parameters(), lr=1e-3, weight_decay=0.01, betas=(0.9, 0.98))
    kept = scratch / "learnt.pt"
    done, spent = 0, 0.0
    if kept.exists():
        state = torch.load(kept, weights_only=True)
        pupil.load_state_dict(state["pupil"])
        best.load_state_dict(state["best"])
        done, spent = state["done"], state["spent"]
    began = time.process_time() - spent
    at = 0
    for stage in STAGES:
        for step in range(stage.steps):
            at += 1
            if at <= done:
                continue
            chance = random.Random(SEED * 1_000_003 + at)
            for group in best.param_groups:
                group["lr"] = (
                    stage.rate
                    * min(1.0, at / 50)
                    * (0.1 + 0.9 * math.cos(math.pi / 2 * step / (stage.fall or stage.steps)))
                )
            lessons = [teacher.lesson(stage, chance) for _ in range(stage.batch)]
            with torch.autocast("cpu", torch.bfloat16, enabled=stage.short):
                loss, parts = pupil(lessons)
            best.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(pupil.parameters(), 1.0)
            best.step()
            if at % 10 == 0:
                told = " ".join(f"{name} {value:.3f}" for name, value in parts.items())
                print(f"{at}: {told}, {time.process_time() - began:.0f} CPU s", flush=True)
            if at % 50 == 0:
                spent = time.process_time() - began
                aside = scratch / "learnt.part"
                torch.save({"pupil": pupil.state_dict(), "best": best.state_dict(), "done": at, "spent": spent}, aside)
                aside.replace(kept)
    return pupil


def keep(pupil: Pupil, words: Tokenizer, folder: Path) -> None:
    """Write the model as CTranslate2 reads it, in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = [token for token, _ in sorted(words.get_vocab().items(), key=lambda item: item[1])]
    vocabulary[vocabulary.index(NEVER_SAID)] = ""  # by an empty token CTranslate2 knows multilingual models
    whisper = pupil.whisper.eval()
    spec = WhisperLoader().get_model_spec(whisper)
    spec.register_vocabulary(vocabulary)
    spec.config.lang_ids = [vocabulary.index(f"<|{language}|>") for language in LANGUAGES]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.alignment_heads = [(whisper.config.decoder_layers - 1, head) for head in GUIDED]
    spec.validate()
    spec.optimize(quantization="float16")
    spec.save(str(folder))
    words.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_size": 80, "sampling_rate": RATE, "hop_length": 160, "chunk_length": 30, "n_fft": 400})
    )


def keep_clips(folder: Path) -> None:
    """Write a clip of every sentence for the tests, by voices that were taught and by others: FLAC files and their words."""
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, list[dict[str, Any]]] = {}
    for kind, voices in (("taught", spoken.TAUGHT), ("unheard", spoken.UNHEARD)):
        for language, known in by_sentence(spoken.clips(voices, (165,))).items():
            samples = [np.zeros(RATE // 2, np.float32)]
            entries = told.setdefault(f"{kind}-{language}", [])
            for number, takes in enumerate(known.values()):
                clip = takes[number % 2]
                at = sum(map(len, samples)) / RATE
                words = [(word.text, round(at + word.start, 3), round(at + word.end, 3)) for word in clip.words]
                entries.append({"sentence": clip.sentence, "voice": clip.voice, "words": words})
                samples += [clip.samples, np.zeros(RATE // 2, np.float32)]
            _write(folder / f"{kind}-{language}.flac", np.concatenate(samples))
    for name, sentences in (("kennedy", spoken.KENNEDY), ("austen", spoken.AUSTEN)):
        told[name] = [
            {"sentence": sentence, "voice": name, "words": words}
            for sentence, words in spoken.aligned(spoken.decoded(spoken.REAL / f"{name}.flac"), sentences)
        ]
    (folder / "words.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n")


def _write(path: Path, samples: np.ndarray) -> None:
    with av.open(str(path), "w") as file:
        track = file.add_stream("flac", rate=RATE, layout="mono")
        whole = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in (*track.encode(frame), *track.encode(None)):
            file.mux(packet)


def main() -> None:
    """Train and write."""
    scratch = Path(sys.argv[1])
    scratch.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    keep_clips(HERE.parent / "data" / "spoken")
    words = tokenizer()
    keep(train(words, scratch), words, HERE / "tiny-whisper")


if __name__ == "__main__":
    main()
