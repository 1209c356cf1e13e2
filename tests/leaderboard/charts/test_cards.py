"""Cards are drawn whatever they say, keep to their frame, and are named by what they show."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from leaderboard.charts.cards import HEIGHT, WIDTH, Bar, Card, CardPlace, draw
from leaderboard.charts.lettering import FONT, cut, drawable, lines, width_px

HOSTILE = [
    "<script>alert(1)</script>",
    '"]]></text><image href="file:///etc/passwd"/>&amp;&#0;',
    "漢字かな한국어",
    "مرحبا بالعالم",
    "🚀⚛️😀",
    "W" * 100,
    "word " * 20,
    "right\u202eto left\u202c",
    "\x01\x08\ufffe\ud7ff bell\x07",
    "Z" + "\u0337\u0353" * 40,
    " ",
    "",
]
BAR = Bar(label="CHGNet 0.3.0", slug="chgnet", score=0.7, low=0.6, high=0.8, median=0.5)
CARD = Card(kind="Potential", title="CHGNet", slug="chgnet", line="PBE", bars=[BAR, BAR])
PLACE = CardPlace(board="Core", rank=3, rank_low=2, rank_high=5, n_ranked=12, overall=0.7)


def pixels(png: bytes) -> Any:
    image = pytest.importorskip("PIL.Image")
    return np.asarray(image.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", [None, PLACE, CardPlace(board="Core", why_not="Because. " * 40)])
def test_whatever_strangers_write_is_drawn_within_the_frame(text: str, place: Any) -> None:
    """The margins stay empty: nothing runs out of its place, nothing is left out silently."""
    bar = replace(BAR, label=text)
    where = place and replace(place, board=text)
    card = Card(kind=text, title=text, slug="the-slug", line=text, mark="retired",
                place=where, bars=[bar] * 6, remark=text)  # fmt: skip
    picture = pixels(draw(card))
    assert picture.shape == (HEIGHT, WIDTH, 3)
    above_the_foot = picture[:560]
    for margin in (above_the_foot[:, :50], above_the_foot[:, WIDTH - 50 :], picture[:20]):
        assert (margin == picture[0, 0]).all()
    if place is not None:
        between = above_the_foot[250:, 418:438]  # of the place and the bars
        assert (between == picture[0, 0]).all()


def test_a_picture_is_whole_and_of_the_size_that_pages_tell() -> None:
    png = draw(CARD)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == (1200, 630)
    assert len(png) < 120_000


@pytest.mark.slow
def test_dots_lie_where_the_scores_are() -> None:
    def middle(score: float) -> float:
        bars = [replace(BAR, score=score, low=None, high=None, median=None)]
        found = pixels(draw(replace(CARD, bars=bars)))[236:320]
        is_dot = (abs(found - [0x0B, 0x5F, 0xA5]) < 8).all(axis=2)
        return float(np.nonzero(is_dot)[1].mean())

    at_0, at_half, at_1 = middle(0.0), middle(0.5), middle(1.0)
    assert at_half == pytest.approx((at_0 + at_1) / 2, abs=1)
    assert at_1 - at_0 > 400
    assert middle(1.7) == pytest.approx(at_1, abs=1)


def test_a_card_is_named_by_all_that_it_shows() -> None:
    same = Card(kind="Potential", title="CHGNet", slug="chgnet", line="PBE", bars=(BAR, BAR))
    assert same.digest == CARD.digest
    others = [
        replace(CARD, title="Chgnet"),
        replace(CARD, bars=[BAR, replace(BAR, low=0.61)]),
        replace(CARD, place=PLACE),
        replace(CARD, place=replace(PLACE, rank_high=6)),
        replace(CARD, mark="retired"),
    ]
    assert len({CARD.digest, *(other.digest for other in others)}) == 6


def test_what_no_font_can_draw_is_left_out_and_replaced_where_nothing_is_left() -> None:
    assert drawable("MACE \U0010ffff\ue000 large", "mace") == "MACE large"
    assert drawable("\U0010ffff", "the-slug") == "the-slug"
    assert drawable("...", "the-slug") == "the-slug"
    assert drawable("Å ≈ Δ µ é") == "Å ≈ Δ µ é"
    assert drawable("a\nb\u202e\x00c\u200bd") == "a b c d"
    assert len(drawable("Z" + "\u0337" * 40)) <= 3


@pytest.mark.parametrize("is_bold", [False, True])
@pytest.mark.parametrize(
    "text",
    ["CHGNet 0.3.0", "Off-equilibrium forces", "MACE-MP-0b3 medium", "iiiillll...", "WWWMMM@@",
     "ωB97M-D3(BJ) / Ångström", "{x}|y|~^*[0]", "0123456789"],
)  # fmt: skip
def test_texts_are_about_as_wide_as_they_are_said_to_be(text: str, is_bold: bool) -> None:
    import vl_convert

    weight = 700 if is_bold else 400
    png = vl_convert.svg_to_png(
        '<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="80">'
        '<rect width="1000" height="80" fill="#fff"/>'
        f'<text y="60" font-size="40" font-weight="{weight}" font-family="{FONT}">{text}</text>'
        "</svg>"
    )
    drawn = float(np.nonzero((pixels(png) < 128).any(axis=(0, 2)))[0].max())
    told = width_px(text, 40, is_bold=is_bold)
    assert drawn - 4 <= told <= 1.25 * drawn


def test_texts_are_cut_and_broken_to_fit() -> None:
    assert cut("short", 30, 500) == "short"
    assert cut("W" * 50, 30, 200).endswith("W…")
    assert width_px(cut("W" * 50, 30, 200), 30) <= 200
    assert cut("W", 30, 1) == "…"
    assert lines("one two three", 30, 115, 2) == ["one two", "three"]
    assert lines("one two three four", 30, 115, 2) == ["one two", "three…"]
    assert lines("one two three", 30, 1000, 2) == ["one two three"]
    assert lines("", 30, 100, 2) == [""]
