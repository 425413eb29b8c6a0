"""How much each dimension counts: the one table.

| dimension    | punctuated | draft | what it asks                                                     |
|--------------|-----------:|------:|------------------------------------------------------------------|
| hook         |       0.20 |  0.10 | would the first sentence stop a passer-by?                       |
| completeness |       0.22 |  0.26 | does it begin and end where a thought does?                      |
| information  |       0.16 |  0.12 | how much is said that is not said all the time?                  |
| emotion      |       0.12 |  0.14 | do words or voice rise?                                          |
| dialogue     |       0.08 |  0.14 | do voices trade turns?                                           |
| energy       |       0.08 |  0.20 | is it faster, louder, with fewer gaps than the rest?             |
| quotability  |       0.14 |  0.04 | is there a short, strong sentence to repeat?                     |

A draft transcript has no real punctuation and many wrong words, so pauses, loudness and turns count for more there.
When the owner gave a prompt, ``relevance`` takes ``PROMPT`` of the whole and the rest share what remains in the same
proportions.
"""

from __future__ import annotations

PUNCTUATED = {
    "hook": 0.20,
    "completeness": 0.22,
    "information": 0.16,
    "emotion": 0.12,
    "dialogue": 0.08,
    "energy": 0.08,
    "quotability": 0.14,
}
DRAFT = {
    "hook": 0.10,
    "completeness": 0.26,
    "information": 0.12,
    "emotion": 0.14,
    "dialogue": 0.14,
    "energy": 0.20,
    "quotability": 0.04,
}
PROMPT = 0.45
FLOOR = 0.30  # a span below it stands out in nothing


def weights(*, draft: bool, prompt: bool) -> dict[str, float]:
    """Give the weight of each dimension; they add up to 1."""
    table = DRAFT if draft else PUNCTUATED
    if not prompt:
        return dict(table)
    return {name: weight * (1 - PROMPT) for name, weight in table.items()} | {"relevance": PROMPT}
