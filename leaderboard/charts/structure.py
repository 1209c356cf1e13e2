"""A picture of a structure, drawn on the server: atoms, bonds and cell, seen from a little above.

Where scripts run, ``structure.js`` turns the same scene. Lengths are in Å.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from evaluator.catalog.elements import SYMBOLS
from leaderboard.charts.base import COLOURS
from leaderboard.lib.extxyz import ShownStructure, Vector

#: Larger structures are for the download.
MAX_ATOMS = 1200
#: With fewer atoms each carries its symbol, and bonds are looked for.
_MAX_LABELLED, _MAX_BONDED = 60, 300
#: Atoms so near to a face of the cell, in fractions of it, are drawn at the opposite one too.
_ON_FACE = 0.02
#: Neighbours closer than this share of the sum of their covalent radii are joined.
_BOND = 1.18
_SIZE, _MARGIN = 400.0, 14.0
#: Shares of the covalent radius that are drawn.
_DRAWN_RADIUS = 0.42
#: Turned about the vertical, then towards the reader; degrees.
_TURN, _TILT = -28.0, -74.0

#: Covalent radii of H to Cm in Å: Cordero et al., Dalton Trans. 2832 (2008), doi:10.1039/b801115j.
_RADII = (
    0.31, 0.28, 1.28, 0.96, 0.84, 0.76, 0.71, 0.66, 0.57, 0.58, 1.66, 1.41, 1.21, 1.11, 1.07, 1.05,
    1.02, 1.06, 2.03, 1.76, 1.70, 1.60, 1.53, 1.39, 1.39, 1.32, 1.26, 1.24, 1.32, 1.22, 1.22, 1.20,
    1.19, 1.20, 1.20, 1.16, 2.20, 1.95, 1.90, 1.75, 1.64, 1.54, 1.47, 1.46, 1.42, 1.39, 1.45, 1.44,
    1.42, 1.39, 1.39, 1.38, 1.39, 1.40, 2.44, 2.15, 2.07, 2.04, 2.03, 2.01, 1.99, 1.98, 1.98, 1.96,
    1.94, 1.92, 1.92, 1.89, 1.90, 1.87, 1.87, 1.75, 1.70, 1.62, 1.51, 1.44, 1.41, 1.36, 1.36, 1.32,
    1.45, 1.46, 1.48, 1.40, 1.50, 1.50, 2.60, 2.21, 2.15, 2.06, 2.00, 1.96, 1.90, 1.87, 1.80, 1.69,
)  # fmt: skip
_UNKNOWN_RADIUS = 1.5


@dataclass(frozen=True, kw_only=True)
class Picture:
    svg: SafeString
    #: Symbol and colour of each element.
    legend: list[tuple[str, str]]
    #: What structure.js turns: atoms (x, y, z, radius, colour, symbol) and lines, about the middle.
    scene: dict[str, Any]


def structure_picture(structure: ShownStructure) -> Picture | None:
    """None for structures that are too large for a page."""
    if len(structure.symbols) > MAX_ATOMS:
        return None
    atoms = list(_drawn(structure))
    edges = _edges(structure.cell)
    middle = _middle([p for _, p in atoms] + [p for edge in edges for p in edge])
    legend = _legend(structure.symbols)
    colours = dict(legend)
    scene = {
        "atoms": [
            [*_rounded(_less(p, middle)), _radius(s) * _DRAWN_RADIUS, colours[s], s]
            for s, p in atoms
        ],
        "edges": [[*_rounded(_less(p, middle)), *_rounded(_less(q, middle))] for p, q in edges],
        "bonds": [
            [*_rounded(_less(p, middle)), *_rounded(_less(q, middle))] for p, q in _bonds(atoms)
        ],
        "labelled": len(atoms) <= _MAX_LABELLED,
        "turn": _TURN,
        "tilt": _TILT,
    }
    title = f"{structure.formula}: {len(structure.symbols)} atoms"
    return Picture(svg=_svg(scene, title), legend=legend, scene=scene)


def _drawn(structure: ShownStructure) -> Iterator[tuple[str, Vector]]:
    """Atoms within the cell, those on its faces at the opposite faces too."""
    if structure.cell is None:
        yield from zip(structure.symbols, structure.positions, strict=True)
        return
    a, b, c = structure.cell
    volume = _dot(a, _cross(b, c))
    inverse = [_cross(b, c), _cross(c, a), _cross(a, b)]
    for symbol, position in zip(structure.symbols, structure.positions, strict=True):
        fractions = [(_dot(position, row) / volume) % 1.0 for row in inverse]
        inside = [0.0 if f > 1 - 1e-6 else f for f in fractions]
        images = [(f, f + 1) if f < _ON_FACE else (f,) for f in inside]
        for u, v, w in product(*images):
            yield symbol, _sum(_times(u, a), _times(v, b), _times(w, c))


def _edges(cell: tuple[Vector, Vector, Vector] | None) -> list[tuple[Vector, Vector]]:
    """The twelve edges of the cell."""
    if cell is None:
        return []
    edges = []
    for axis in range(3):
        others = [cell[i] for i in range(3) if i != axis]
        for m, n in product((0, 1), repeat=2):
            start = _sum(_times(m, others[0]), _times(n, others[1]))
            edges.append((start, _sum(start, cell[axis])))
    return edges


def _bonds(atoms: Sequence[tuple[str, Vector]]) -> list[tuple[Vector, Vector]]:
    if len(atoms) > _MAX_BONDED:
        return []
    return [
        (p, q)
        for (s, p), (t, q) in combinations(atoms, 2)
        if 0.1 < math.dist(p, q) < _BOND * (_radius(s) + _radius(t))
    ]


def _legend(symbols: Sequence[str]) -> list[tuple[str, str]]:
    present = sorted(set(symbols), key=lambda s: SYMBOLS.index(s) if s in SYMBOLS else 0)
    return [(s, COLOURS[i % len(COLOURS)]) for i, s in enumerate(present)]


def _radius(symbol: str) -> float:
    number = SYMBOLS.index(symbol) if symbol in SYMBOLS else len(_RADII)
    return _RADII[number] if number < len(_RADII) else _UNKNOWN_RADIUS


def _svg(scene: dict[str, Any], title: str) -> SafeString:
    """Far things first; what is near covers them. ``structure.js`` draws the same."""
    reach = max([math.hypot(*atom[:3]) + atom[3] for atom in scene["atoms"]] + [0.5])
    reach = max([reach, *(math.hypot(*line[:3]) for line in scene["edges"])])
    scale = (_SIZE / 2 - _MARGIN) / reach
    parts: list[tuple[float, SafeString]] = []
    for kind, lines in (("edge", scene["edges"]), ("bond", scene["bonds"])):
        for line in lines:
            (x, y, depth), (u, v, far) = _seen(line[:3], scale), _seen(line[3:], scale)
            parts.append(
                (
                    (depth + far) / 2,
                    format_html(
                        '<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>',
                        kind, *(f"{n:.1f}" for n in (x, y, u, v)),
                    ),
                )
            )  # fmt: skip
    for *at, radius, colour, symbol in scene["atoms"]:
        x, y, depth = _seen(at, scale)
        ball = format_html(
            '<circle cx="{}" cy="{}" r="{}" fill="{}"/>',
            f"{x:.1f}", f"{y:.1f}", f"{radius * scale:.1f}", colour,
        )  # fmt: skip
        if scene["labelled"]:
            ball += format_html('<text x="{}" y="{}">{}</text>', f"{x:.1f}", f"{y:.1f}", symbol)
        parts.append((depth, ball))
    ordered = ((part,) for _, part in sorted(parts, key=lambda part: part[0]))
    return format_html(
        '<svg class="structure" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        f"{_SIZE:g}", f"{_SIZE:g}", title, format_html_join("", "{}", ordered),
    )  # fmt: skip


def _seen(at: Sequence[float], scale: float) -> tuple[float, float, float]:
    """Place on the picture, and nearness to the reader."""
    turn, tilt = math.radians(_TURN), math.radians(_TILT)
    x = at[0] * math.cos(turn) - at[1] * math.sin(turn)
    y = at[0] * math.sin(turn) + at[1] * math.cos(turn)
    up = y * math.cos(tilt) - at[2] * math.sin(tilt)
    near = y * math.sin(tilt) + at[2] * math.cos(tilt)
    return _SIZE / 2 + scale * x, _SIZE / 2 - scale * up, near


def _middle(points: Sequence[Vector]) -> Vector:
    spans = [(min(axis) + max(axis)) / 2 for axis in zip(*points, strict=True)]
    return spans[0], spans[1], spans[2]


def _rounded(v: Vector) -> list[float]:
    return [round(x, 3) for x in v]


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _cross(a: Vector, b: Vector) -> Vector:
    return (
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    )


def _times(x: float, a: Vector) -> Vector:
    return x * a[0], x * a[1], x * a[2]


def _less(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


def _sum(*vectors: Vector) -> Vector:
    x, y, z = (sum(axis) for axis in zip(*vectors, strict=True))
    return x, y, z
