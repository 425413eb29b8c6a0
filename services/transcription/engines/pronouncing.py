"""Words as the US-English model of PocketSphinx can hear them: spelt out, and spoken in its 39 phones (ARPAbet).

Dictionaries end somewhere. A word that is in none is put together from words that are, spelled where it can't be spoken,
and else read by rules: the longest known group of letters first, after Elovitz, Johnson, McHugh and Shore, "Letter-to-Sound
Rules for Automatic Translation of English Text to Phonetics" (IEEE ASSP-24, 1976), in a much smaller set. Rough is enough
here: what is asked is when a word was said, not which.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from itertools import islice

from num2words import num2words

__all__ = ["guessed", "spoken"]

LONGEST_NUMBER = 9  # digits; anything longer is read digit by digit, as people do with telephone numbers
LONGEST_WORD = 40  # letters; what is longer is no word that anybody says
MOST_PARTS = 40  # spoken words of one written word
LEAST = 3  # letters of a part of a compound
YEARS = range(1100, 2100)  # what four digits without a comma are read as
SIGNS = {"&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "#": "number", "°": "degrees"}
CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen"}

TOKEN = re.compile(
    r"(?P<currency>[$€£¥])?(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)(?P<tail>(?:st|nd|rd|th|s)\b)?|(?P<word>[a-z]+(?:'[a-z]+)*'?)"
    r"|(?P<sign>[&+=@%#°])"
)

VOWELS = frozenset("aeiouy")
RULES = {
    rule.split()[0]: rule.split()[1:]
    for rule in """
    augh AO;aigh EY;eigh EY;ough AO;tion SH AH N;sion ZH AH N;cian SH AH N;tious SH AH S;cious SH AH S;ture CH ER;sure ZH ER
    igh AY;tch CH;dge JH;sch SH;eau OW;air EH R;are EH R;ear IH R;eer IH R;oor AO R;our AO R;ore AO R;ure Y UH R;ire AY ER
    ing IH NG;ous AH S;age IH JH;ck K;ch CH;sh SH;th TH;ph F;wh W;gh G;kn N;wr R;qu K W;ng NG;nk NG K;rh R;sc S K;ps P S
    ce S;ci S IH;cy S IY;ge JH;gi JH IH;gy JH IY;ai EY;ay EY;au AO;aw AO;ea IY;ee IY;ei IY;ey IY;eu Y UW;ew Y UW;ie IY
    oa OW;oe OW;oi OY;oy OY;oo UW;ou AW;ow OW;ue UW;ui UW;ar AA R;er ER;ir ER;or AO R;ur ER;yr ER
    bb B;cc K;dd D;ff F;gg G;ll L;mm M;nn N;pp P;rr R;ss S;tt T;zz Z
    a AE;b B;c K;d D;e EH;f F;g G;h HH;i IH;j JH;k K;l L;m M;n N;o AA;p P;q K;r R;s S;t T;u AH;v V;w W;x K S;y IY;z Z
    """.replace("\n", ";").split(";")
    if rule.strip()
}
LONGEST_RULE = max(map(len, RULES))
LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW"}  # before one consonant and a silent e


def spoken(word: str) -> tuple[str, ...]:
    """Say which words one written word is spoken as, in small letters: ("twenty", "five", "dollars") for "$25".

    Empty where there is nothing to be said: dashes, and letters that aren't Latin.
    """
    plain = unicodedata.normalize("NFKD", word.replace("’", "'").replace("‘", "'")).lower()
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(islice((part for found in TOKEN.finditer(letters) for part in _said(found)), MOST_PARTS))


def _said(found: re.Match[str]) -> Iterator[str]:
    if found["word"]:
        yield found["word"].strip("'")[:LONGEST_WORD]
    elif found["sign"]:
        yield SIGNS[found["sign"]]
    else:
        number = re.findall(r"[a-z]+", _number(found["number"], found["tail"] or ""))
        yield from (part for part in number if part != "and")  # Americans leave it out
        if found["currency"]:
            yield CURRENCIES[found["currency"]]


def _number(digits: str, tail: str) -> str:
    plain = digits.replace(",", "")[:LONGEST_WORD].rstrip(".")
    if sum(map(str.isdigit, plain)) > LONGEST_NUMBER or re.match(r"0\d", plain):
        return " ".join(num2words(int(digit)) for digit in plain if digit.isdigit())
    if tail in {"st", "nd", "rd", "th"} and "." not in plain:
        return str(num2words(int(plain), to="ordinal"))
    year = len(plain) == 4 and "," not in digits and "." not in plain and int(plain) in YEARS
    text = str(num2words(int(plain), to="year")) if year else str(num2words(plain))
    if tail != "s":
        return text
    return f"{text[:-1]}ies" if text.endswith("y") else f"{text}s"  # "nineteen sixties"


def guessed(word: str, known: Callable[[str], str | None]) -> str:
    """Phones for a word of small letters and apostrophes. ``known`` looks one up in the dictionary.

    Never empty for a word of ``spoken``.
    """
    bare = word.replace("'", "")
    if word.endswith("'s") and (stem := known(word[:-2])):
        return f"{stem} {_plural(stem)}"
    return known(bare) or _compound(bare, known) or _spelled(bare, known) or " ".join(_read(bare))


def _plural(stem: str) -> str:
    last = stem.rsplit(" ", 1)[-1]
    if last in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        return "IH Z"
    return "S" if last in {"P", "T", "K", "F", "TH"} else "Z"


def _compound(word: str, known: Callable[[str], str | None]) -> str | None:
    """Two words in one, or a known word and its ending; the longer its first part, the better."""
    for cut in range(len(word) - LEAST, LEAST - 1, -1):
        first, second = known(word[:cut]), known(word[cut:])
        if first and second:
            return f"{first} {second}"
    stem = known(word[:-1]) or _compound(word[:-1], known) if word.endswith("s") and len(word) > LEAST else None
    return f"{stem} {_plural(stem)}" if stem else None


def _spelled(word: str, known: Callable[[str], str | None]) -> str | None:
    """The letters' names, where no vowel could carry the word."""
    if VOWELS & set(word):
        return None
    return " ".join(phones for letter in word if (phones := known(f"{letter}.") or known(letter)))


def _read(word: str) -> Iterator[str]:
    magic = len(word) > 3 and word[-1] == "e" and word[-2] not in VOWELS and word[-3] in LONG
    at, end = 0, len(word) - 1 if magic else len(word)
    while at < end:
        if magic and at == len(word) - 3:
            yield LONG[word[at]]
            at += 1
            continue
        group = next(
            word[at : at + size] for size in range(LONGEST_RULE, 0, -1) if word[at : min(at + size, end)] in RULES
        )
        yield from RULES[group[: end - at]]
        at += min(len(group), end - at)
