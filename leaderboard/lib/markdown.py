"""Markdown as the pages show it: CommonMark with tables, without HTML and without images.

``description`` is for what people type: bounded, sanitised, kept by its hash. ``document`` is for
the project's own files: its headings get ids, its links are mapped to pages. ``plain`` is for where
one line of plain text is wanted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import nh3
from django.core.cache import cache
from django.utils.html import linebreaks
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

#: What is longer, or more tangled, than this is shown as it was typed: a parser's time grows with
#: the square of some of these. At the bounds, the worst texts that we know of take about 50 ms.
_MAX_CHARACTERS = 10_000
_MAX_LINES = 400
_MAX_OPENINGS = 400
_MAX_MARKS = 1_000
_MAX_CELLS = 2_000
_OPENINGS = re.compile(r"[\[<]")
_MARKS = re.compile(r"[*_`&!\\]")
#: Marks that turn the direction of whatever follows them; letters know theirs by themselves.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_KEPT_S = 24 * 3600
#: Part of the keys of what is kept: to be raised with every change of what comes out.
_EDITION = 2

_TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "code", "pre", "a"),
    *("blockquote", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}
#: A group and no region: a text may have many tables, and each landmark would need its own name.
_FRAME = '<div class="table-frame" tabindex="0" role="group" aria-label="Table, scrolls sideways">'

#: Where a link leads instead; None leaves its words without a link.
LinkMap = Callable[[str], str | None]


def _cleaner(rel: str) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        set_tag_attribute_values={"th": {"scope": "col"}},
        url_schemes={"http", "https", "mailto"},
        link_rel=rel,
    )


_OF_STRANGERS = _cleaner("nofollow noopener ugc")
_OF_THE_SITE = _cleaner("noopener")


def _alternative(renderer: RendererHTML, tokens: Sequence[Token], index: int, *rest: object) -> str:
    """A picture as the words that describe it."""
    del renderer, rest
    return escapeHtml(_words(tokens[index : index + 1]))


def _parser(*, breaks: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": breaks}).enable("table")
    parser.add_render_rule("image", _alternative)
    return parser


#: Strangers type into a box, where a new line is meant; files are wrapped by their editors.
_TYPED = _parser(breaks=True)
_WRAPPED = _parser(breaks=False)


def description(text: str, level: int, *, by_strangers: bool) -> SafeString:
    """What somebody wrote, as HTML whose headings begin at ``level``.

    Links of strangers are marked as such, and their line breaks stay.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()
    key = f"markdown:{_EDITION}:{level}:{by_strangers:d}:{digest}"
    html: str | None = cache.get(key)
    if html is None:
        html = _description(text, level, by_strangers)
        cache.set(key, html, _KEPT_S)
    return mark_safe(html)  # noqa: S308  (escaped or sanitised)


def plain(text: str) -> str:
    """The words alone, in one line."""
    if not _is_tame(text):
        return " ".join(_TURNING.sub("", text).split())
    return " ".join(_TURNING.sub("", _words(_WRAPPED.parse(text))).split())


@dataclass(frozen=True, kw_only=True)
class Heading:
    level: int
    id: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file of the project: its first heading is the title and not part of the HTML."""

    title: str
    html: SafeString
    headings: list[Heading] = field(default_factory=list)


def document(text: str, link: LinkMap) -> Document:
    """A file of the project, which is trusted: its headings get ids, its links are mapped."""
    tokens = _WRAPPED.parse(text)
    title = ""
    if tokens and tokens[0].tag == "h1":
        title, tokens = _words(tokens[1:2]).strip(), tokens[3:]
    headings = _with_ids(tokens)
    for token in tokens:
        if token.children:
            token.children = list(_linked(token.children, link))
        if token.type == "th_open":
            token.attrSet("scope", "col")
    _mark_wide_tables(tokens)
    html = _framed(_WRAPPED.renderer.render(tokens, _WRAPPED.options, {}))
    return Document(title=title, html=mark_safe(html), headings=headings)  # noqa: S308


def _description(text: str, level: int, by_strangers: bool) -> str:
    if not _is_tame(text):
        return _TURNING.sub("", linebreaks(text, autoescape=True))
    parser = _TYPED if by_strangers else _WRAPPED
    tokens = list(_without_empty_headings(parser.parse(text)))
    _lower_headings(tokens, level)
    for token in tokens:
        if token.children:
            _name_links(token.children)
    html = parser.renderer.render(tokens, parser.options, {})
    html = (_OF_STRANGERS if by_strangers else _OF_THE_SITE).clean(html)
    # Last, since entities are read by now: nothing may turn the page around.
    return _framed(_TURNING.sub("", html))


def _is_tame(text: str) -> bool:
    """Whether no part of it can keep the parser busy for long."""
    if len(text) > _MAX_CHARACTERS:
        return False
    lines = text.splitlines()
    widest = max((line.count("|") for line in lines), default=0)
    return (
        len(lines) <= _MAX_LINES
        and len(_OPENINGS.findall(text)) <= _MAX_OPENINGS
        and len(_MARKS.findall(text)) <= _MAX_MARKS
        and widest * len(lines) <= _MAX_CELLS
    )


def _lower_headings(tokens: Sequence[Token], level: int) -> None:
    """The levels in use, whichever they are, become ``level`` and those below it."""
    used = sorted({token.tag for token in tokens if token.type == "heading_open"})
    lowered = {tag: f"h{min(level + n, 6)}" for n, tag in enumerate(used)}
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = lowered[token.tag]


def _without_empty_headings(tokens: Sequence[Token]) -> Iterator[Token]:
    skip = 0
    for i, token in enumerate(tokens):
        if token.type == "heading_open" and not _words(tokens[i + 1 : i + 2]).strip():
            skip = 3
        if skip:
            skip -= 1
        else:
            yield token


def _name_links(children: list[Token]) -> None:
    """A link without words shows its address, so that it can be seen and is read out."""
    for i in range(len(children) - 2, -1, -1):
        if children[i].type != "link_open":
            continue
        end = next(j for j in range(i, len(children)) if children[j].type == "link_close")
        if not _words(children[i:end]).strip():
            address = Token("text", "", 0, content=str(children[i].attrGet("href")))
            children[i + 1 : end] = [address]


def _words(tokens: Sequence[Token]) -> str:
    """The text of tokens without their markup; blocks are parted by spaces."""
    parts = []
    for token in tokens:
        if token.children is not None:
            parts.append(_words(token.children))
        elif token.type in {"text", "text_special", "code_inline", "fence", "code_block"}:
            parts.append(token.content)
        if token.type in {"softbreak", "hardbreak"} or (token.block and token.nesting <= 0):
            parts.append(" ")
    return "".join(parts)


def _with_ids(tokens: Sequence[Token]) -> list[Heading]:
    """Give each heading an id made of its words, as code hosts do."""
    headings: list[Heading] = []
    taken: dict[str, int] = {}
    for token, inline in pairwise(tokens):
        if token.type != "heading_open":
            continue
        text = _words([inline]).strip()
        slug = re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")
        n = taken[slug] = taken.get(slug, -1) + 1
        name = f"{slug}-{n}" if n else slug
        token.attrSet("id", name)
        headings.append(Heading(level=int(token.tag[1]), id=name, text=text))
    return headings


def _linked(children: Sequence[Token], link: LinkMap) -> Iterator[Token]:
    """Links led to where ``link`` says; those that it maps to None lose their tags."""
    is_left_out = False
    for token in children:
        if token.type == "link_open":
            address = link(str(token.attrGet("href")))
            is_left_out = address is None
            if address is None:
                continue
            token.attrSet("href", address)
        elif token.type == "link_close" and is_left_out:
            is_left_out = False
            continue
        yield token


def _mark_wide_tables(tokens: Sequence[Token]) -> None:
    """Mark tables of several columns: they scroll on a phone, rather than being squeezed."""
    table, n_columns = None, 0
    for token in tokens:
        if token.type == "table_open":
            table, n_columns = token, 0
        elif token.type == "th_open":
            n_columns += 1
        elif token.type == "thead_close" and table is not None and n_columns > 2:
            table.attrSet("class", "wide")


def _framed(html: str) -> str:
    """Wide tables and code scroll by themselves, by the keyboard too."""
    html = html.replace("<table", f"{_FRAME}<table").replace("</table>", "</table></div>")
    return html.replace("<pre>", '<pre tabindex="0">')
