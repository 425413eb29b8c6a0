"""Which part of a source is shown, and how often."""

from __future__ import annotations

from fractions import Fraction

import pytest

from services.render.engines import framing


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ((1920, 1080), (1080, 1920), "fill"),  # the usual: the middle third of a wide picture
        ((1920, 1080), (1080, 1080), "fill"),
        ((1920, 1080), (1920, 1080), "fill"),
        ((1916, 1080), (1920, 1080), "fill"),  # a sliver
        ((1080, 1920), (1080, 1080), "fit"),  # a crop would cut heads
        ((1080, 1920), (1920, 1080), "fit"),
        ((640, 480), (1920, 1080), "fit"),
        ((2560, 1080), (1080, 1920), "fit"),  # too little would be left
        ((2560, 1080), (1920, 1080), "fit"),
        ((0, 0), (1080, 1920), "fit"),
    ],
)
def test_what_fills_and_what_is_fitted(source: tuple[int, int], target: tuple[int, int], expected: str) -> None:
    assert framing.choose(source, target) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (30.0, Fraction(30)),
        (29.97, Fraction(30000, 1001)),
        (23.976, Fraction(24000, 1001)),
        (25.0, Fraction(25)),
        (50.0, Fraction(25)),
        (59.94, Fraction(30000, 1001)),
        (60.0, Fraction(30)),
        (27.3, Fraction(30)),  # variable
        (0.0, Fraction(30)),
        (1000.0, Fraction(30)),
    ],
)
def test_the_rate_is_the_sources_own_or_an_even_part_of_it(source: float, expected: Fraction) -> None:
    assert framing.rate(source, 30) == expected
