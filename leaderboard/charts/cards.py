"""The pictures that stand beside a shared link: 1200 x 630 pixels, PNG.

They are seen at a third of their size, in a chat: few words, large, and a chart that is told from
its shape. A card is plain values; what is drawn depends on nothing else, so its digest names it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

import vl_convert
from django.utils.html import escape

from leaderboard.charts.lettering import FONT, cut, drawable, lines, width_px

WIDTH, HEIGHT = 1200, 630
#: Raised with each change of the drawing, so that no old one is taken for a new one.
_DESIGN = 1

_GROUND, _INK, _SOFT, _LINE = "#fcfcfb", "#1b1f24", "#57606a", "#d0d0ca"
_ACCENT, _INTERVAL, _WARN = "#0b5fa5", "#8fbbe0", "#8a4b00"
_DARK, _PALE = "#20262e", "#c3ccd6"
_LEFT, _RIGHT = 60, WIDTH - 60
_BODY, _FOOT = 246, 566
#: The mark of the site, as in favicon.svg, 32 pixels wide.
_MARK = (
    '<path d="M7 25 25 7" stroke="#8a97a6" stroke-width="2" stroke-dasharray="3 3"/>'
    '<circle cx="10" cy="20" r="3.4" fill="#4aa3df"/><circle cx="17" cy="16" r="3.4" '
    'fill="#e58a3a"/><circle cx="23" cy="10" r="3.4" fill="#35c19c"/>'
)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A line of the chart: a score from 0 to 1 with its 95 % interval."""

    label: str
    #: Drawn where the label cannot be.
    slug: str
    rank: int | None = None
    score: float | None
    low: float | None
    high: float | None
    #: Median of the others, where there are enough.
    median: float | None = None


@dataclass(frozen=True, kw_only=True)
class CardPlace:
    """Where a potential stands, or why it does not."""

    board: str
    rank: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None
    n_ranked: int = 0
    overall: float | None = None
    low: float | None = None
    high: float | None = None
    #: One sentence; empty for a ranked one.
    why_not: str = ""


@dataclass(frozen=True, kw_only=True)
class Card:
    #: Above the title: what it is a card of.
    kind: str
    title: str
    #: Drawn where the title cannot be.
    slug: str
    #: Below the title: facts, or what is measured.
    line: str
    #: Said beside the kind: "retired".
    mark: str = ""
    place: CardPlace | None = None
    bars: Sequence[Bar] = ()
    #: Below the bars; in their place where there are none.
    remark: str = ""

    @property
    def digest(self) -> str:
        """Hash all that the drawing depends on."""
        parts = [_DESIGN, version("vl-convert-python"), asdict(self)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def draw(card: Card) -> bytes:
    """The card as PNG, some 70 kB. It takes about 0.1 s of a core."""
    body = _beside(card, card.place) if card.place else _below(card)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="{FONT}"><rect width="{WIDTH}" height="{HEIGHT}" fill="{_GROUND}"/>'
        f"{_head(card)}{body}{_foot(card)}</svg>"
    )
    return _packed(vl_convert.svg_to_png(svg))


def _head(card: Card) -> str:
    limit = _RIGHT - _LEFT
    kind = cut(drawable(card.kind), 28, limit - 200)
    parts = [_text(_LEFT, 70, kind, 28, fill=_SOFT)]
    if card.mark:
        x = _LEFT + width_px(kind, 28) + 20
        parts.append(_text(x, 70, card.mark, 28, is_bold=True, fill=_WARN))
    title = drawable(card.title, card.slug)
    size = next((s for s in (84, 68, 54) if width_px(title, s, is_bold=True) <= limit), None)
    if size is not None:
        bottom = 150 - (84 - size) * 0.3
        parts.append(_text(_LEFT, bottom, title, size, is_bold=True))
    else:
        bottom = 165.0
        for n, line in enumerate(lines(title, 46, limit, 2, is_bold=True)):
            parts.append(_text(_LEFT, 118 + 47 * n, line, 46, is_bold=True))
    return "".join(parts) + _facts(drawable(card.line), bottom, n_lines=2 if size else 1)


def _facts(words: str, above: float, n_lines: int) -> str:
    """What stands below the title: large where that fits in a line."""
    limit = _RIGHT - _LEFT
    size = 30 if width_px(words, 30) <= limit else 26
    shown = lines(words, size, limit, n_lines)
    return "".join(
        _text(_LEFT, above + size + 16 + 34 * n, line, size, fill=_SOFT)
        for n, line in enumerate(shown)
    )


def _beside(card: Card, place: CardPlace) -> str:
    """The place at the left, the chart at the right."""
    return _standing(place) + _chart(card, 440, label_px=368, size=26)


def _below(card: Card) -> str:
    if card.bars:
        return _chart(card, _LEFT, label_px=430, size=30)
    mark = f'<g transform="translate(830 216) scale(10.5)" fill="none">{_MARK}</g>'
    return mark + _paragraph(card.remark, _LEFT, 740)


def _paragraph(words: str, left: float, limit: float) -> str:
    shown = lines(drawable(words), 34, limit, 5)
    return "".join(_text(left, 310 + 48 * n, line, 34) for n, line in enumerate(shown))


def _standing(place: CardPlace) -> str:
    limit = 348
    board = cut(f"on {drawable(place.board)}", 28, limit)
    if place.rank is None:
        why = lines(drawable(place.why_not), 26, limit, 5)
        return "".join(
            (
                _text(_LEFT, 306, "Not ranked", 50, is_bold=True),
                _text(_LEFT, 348, board, 28, fill=_SOFT),
                *(_text(_LEFT, 396 + 34 * n, line, 26) for n, line in enumerate(why)),
            )
        )
    size = 150 if place.rank < 100 else 100
    left = limit - width_px(str(place.rank), size, is_bold=True)
    of = f"of {place.n_ranked} ranked"
    of = of if width_px(of, 38) < left else f"of {place.n_ranked}"
    number = (
        f'<text x="{_LEFT}" y="370" fill="{_INK}"><tspan font-size="{size}" font-weight="700">'
        f'{place.rank}</tspan><tspan font-size="38" fill="{_SOFT}" dx="14">{of}</tspan></text>'
    )
    parts = [number, _text(_LEFT, 416, board, 28, fill=_SOFT)]
    if place.rank_low is not None:
        low, high = place.rank_low, place.rank_high
        ranks = f"{low}" if low == high else f"{low}–{high}"
        parts.append(_text(_LEFT, 466, f"95 % interval of rank {ranks}", 28))
    if place.overall is not None:
        score = f"Score {place.overall:.3f}"
        if place.low is not None and place.high is not None:
            score += f" ({place.low:.2f}–{place.high:.2f})"
        parts.append(_text(_LEFT, 508, score, 28))
    return "".join(parts)


def _chart(card: Card, left: float, *, label_px: float, size: float) -> str:
    """Dots with their intervals on lines from 0 to 1."""
    if not card.bars:
        return _paragraph(card.remark, left, _RIGHT - left)
    step = min(56.0, (_FOOT - 62 - _BODY) / len(card.bars))
    start, end = left + label_px + 20, _RIGHT - 96
    rows = (
        _bar(bar, _BODY + step * (n + 0.5), left, label_px, size, (start, end))
        for n, bar in enumerate(card.bars)
    )
    return "".join(rows) + _legend(card, left)


def _legend(card: Card, left: float) -> str:
    y = _FOOT - 22
    marks = [("score, 0 to 1", f'<circle cx="16" r="8" fill="{_ACCENT}"/>')]
    if any(bar.low is not None for bar in card.bars):
        marks.append(("95 % interval", _line(8, 24, 0, _INTERVAL, 12)))
    if any(bar.median is not None for bar in card.bars):
        marks.append(("median of others", _tick(20, 0, 11)))
    parts, x = [], left
    for words, mark in marks:
        parts.append(f'<g transform="translate({x:.1f} {y - 7})">{mark}</g>')
        parts.append(_text(x + 36, y, words, 20, fill=_SOFT))
        x += 36 + width_px(words, 20) + 18
    remark = cut(drawable(card.remark), 20, _RIGHT - x)
    return "".join(parts) + _text(_RIGHT, y, remark, 20, anchor="end", fill=_SOFT)


def _bar(
    bar: Bar, y: float, left: float, label_px: float, size: float, ends: tuple[float, float]
) -> str:
    label = drawable(bar.label, bar.slug)
    x = left
    parts = []
    if bar.rank is not None:
        parts.append(_text(left + 44, y + 10, str(bar.rank), 30, anchor="end", fill=_SOFT))
        x, label_px = left + 62, label_px - 62
    parts.append(_text(x, y + 0.33 * size, cut(label, size, label_px), size))
    parts.append(_line(*ends, y, _LINE, 2))
    if bar.score is None:
        parts.append(_text(_RIGHT, y + 10, "–", 30, anchor="end", fill=_SOFT))
        return "".join(parts)
    if bar.low is not None and bar.high is not None:
        parts.append(_line(_at(bar.low, ends), _at(bar.high, ends), y, _INTERVAL, 14))
    if bar.median is not None:
        parts.append(_tick(_at(bar.median, ends), y, 15))
    parts.append(
        f'<circle cx="{_at(bar.score, ends):.1f}" cy="{y:.1f}" r="10" fill="{_ACCENT}" '
        f'stroke="{_GROUND}" stroke-width="2"/>'
    )
    parts.append(_text(_RIGHT, y + 10, f"{bar.score:.2f}", 30, anchor="end", is_bold=True))
    return "".join(parts)


def _foot(card: Card) -> str:
    middle = (_FOOT + HEIGHT) / 2
    return (
        f'<rect y="{_FOOT}" width="{WIDTH}" height="{HEIGHT - _FOOT}" fill="{_DARK}"/>'
        f'<g transform="translate({_LEFT - 8} {middle - 22}) scale(1.375)" fill="none">{_MARK}</g>'
        + _text(_LEFT + 48, middle + 12, "Touchstone", 34, is_bold=True, fill="#ffffff")
        + _text(
            _RIGHT, middle + 9, "interatomic potentials, measured", 26, anchor="end", fill=_PALE
        )
    )


def _text(
    x: float,
    y: float,
    words: str,
    size: float,
    *,
    is_bold: bool = False,
    fill: str = _INK,
    anchor: str = "start",
) -> str:
    weight = 700 if is_bold else 400
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}" '
        f'fill="{fill}" text-anchor="{anchor}">{escape(words)}</text>'
    )


def _line(start: float, end: float, y: float, colour: str, thickness: float) -> str:
    return (
        f'<path d="M{start:.1f} {y:.1f}H{end:.1f}" stroke="{colour}" stroke-width="{thickness:g}" '
        'stroke-linecap="round"/>'
    )


def _tick(x: float, y: float, half: float) -> str:
    return f'<path d="M{x:.1f} {y - half:.1f}v{2 * half:g}" stroke="{_INK}" stroke-width="4"/>'


def _at(score: float, ends: tuple[float, float]) -> float:
    return ends[0] + (ends[1] - ends[0]) * min(max(score, 0.0), 1.0)


def _packed(png: bytes) -> bytes:
    """Pack the picture into a third of the bytes: vl-convert packs for speed."""
    chunks, start, pixels = [png[:8]], 8, b""
    while start < len(png):
        n = int.from_bytes(png[start : start + 4])
        kind, data = png[start + 4 : start + 8], png[start + 8 : start + 8 + n]
        start += 12 + n
        if kind == b"IDAT":
            pixels += data
            continue
        if kind == b"IEND":
            chunks.append(_part(b"IDAT", zlib.compress(zlib.decompress(pixels), 6)))
        chunks.append(_part(kind, data))
    return b"".join(chunks)


def _part(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return len(data).to_bytes(4) + checked + zlib.crc32(checked).to_bytes(4)
