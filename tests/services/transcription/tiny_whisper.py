"""A very small Whisper in CTranslate2's format that says the same few words every four seconds, whatever it hears.

Its decoder looks at positions alone: each position's encoding leads to the next token of ``SAYS``. So what it hears is a
foregone conclusion, but how it is run (windows, language detection, word times by cross-attention) is faster-whisper's
real code.
"""

from __future__ import annotations

import json
from pathlib import Path

import ctranslate2
import numpy as np
from ctranslate2.specs import whisper_spec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

WIDTH, HEADS, MELS, POSITIONS, LONGEST = 128, 2, 80, 1500, 448
LANGUAGES = ("en", "de")
WORDS = ("So", "it", "goes.")
PIECES = [f"Ġ{word}" for word in WORDS]  # Ġ is how byte-level vocabularies write a space
SAYS = ["<|0.00|>", *PIECES, "<|4.00|>", "<|endoftext|>"]
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


def make(folder: Path) -> Path:
    """Write the model into ``folder``; the same one each time."""
    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *PIECES]
    vocabulary = [*letters, *SPECIAL]
    _tokenizer(letters).save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"feature_size": MELS, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400})
    )
    spec = whisper_spec.WhisperSpec(1, HEADS, 1, HEADS)
    _fill(spec, vocabulary, np.random.default_rng(1))
    spec.register_vocabulary(vocabulary)
    spec.config.lang_ids = [vocabulary.index(f"<|{language}|>") for language in LANGUAGES]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.alignment_heads = [(0, 0), (0, 1)]
    spec.validate()
    spec.save(str(folder))
    assert ctranslate2.contains_model(str(folder))
    return folder


def _tokenizer(letters: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE({letter: index for index, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def _fill(spec: whisper_spec.WhisperSpec, vocabulary: list[str], random: np.random.Generator) -> None:
    def weights(*shape: int) -> np.ndarray:
        return random.normal(0, 0.2, shape).astype(np.float32)

    def linear(layer: object, rows: int, columns: int, scale: float = 1.0) -> None:
        layer.weight, layer.bias = weights(rows, columns) * np.float32(scale), np.zeros(rows, np.float32)

    def norm(layer: object) -> None:
        layer.gamma, layer.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)

    def block(layer: object, *, out: float) -> None:
        """Self-attention and feed-forward; with ``out`` 0 they add nothing to what passes by."""
        norm(layer.self_attention.layer_norm)
        linear(layer.self_attention.linear[0], 3 * WIDTH, WIDTH)
        linear(layer.self_attention.linear[1], WIDTH, WIDTH, out)
        norm(layer.ffn.layer_norm)
        linear(layer.ffn.linear_0, 4 * WIDTH, WIDTH)
        linear(layer.ffn.linear_1, WIDTH, 4 * WIDTH, out)

    encoder, decoder = spec.encoder, spec.decoder
    encoder.conv1.weight, encoder.conv1.bias = weights(WIDTH, MELS, 3), weights(WIDTH)
    encoder.conv2.weight, encoder.conv2.bias = weights(WIDTH, WIDTH, 3), weights(WIDTH)
    encoder.position_encodings.encodings = weights(POSITIONS, WIDTH)
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    for layer in encoder.layer:
        block(layer, out=1.0)
    for layer in decoder.layer:
        block(layer, out=0.0)
        norm(layer.attention.layer_norm)
        linear(layer.attention.linear[0], WIDTH, WIDTH)
        linear(layer.attention.linear[1], 2 * WIDTH, WIDTH)
        linear(layer.attention.linear[2], WIDTH, WIDTH, 0.0)
    decoder.position_encodings.encodings = np.sign(weights(LONGEST, WIDTH))
    decoder.embeddings.weight = np.zeros((len(vocabulary), WIDTH), np.float32)
    leads = np.zeros((len(vocabulary), WIDTH), np.float32)
    leads[vocabulary.index("<|en|>")] = decoder.position_encodings.encodings[0]
    for position, token in enumerate(SAYS):
        leads[vocabulary.index(token)] += decoder.position_encodings.encodings[position]
    decoder.projection.weight = leads
