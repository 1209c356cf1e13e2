"""What must hold on every page: its structure, and the rules of axe-core."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
ON_A_PHONE = {"viewport": PHONE, "color_scheme": "light"}
AT_A_DESK = {"viewport": DESKTOP, "color_scheme": "dark"}
#: A desktop at 400 %.
NARROWEST = {"width": 320, "height": 640}

#: WCAG 2.2 AA, and what is good beyond it.
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Rules whose outcome depends on the width of the page.
LAYOUT_RULES = ["target-size", "scrollable-region-focusable"]
CONTRAST = "color-contrast"

_STRUCTURE = """() => {
  const found = [];
  const all = (what) => [...document.querySelectorAll(what)];
  const told = (e) => e.outerHTML.slice(0, 120);
  if (document.documentElement.lang !== "en") found.push("no language");
  if (all("h1").length !== 1) found.push(`${all("h1").length} headings of level 1`);
  let level = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) found.push(`level ${level} is followed by ${told(heading)}`);
    if (!heading.textContent.trim()) found.push(`an empty heading: ${told(heading)}`);
    level = own;
  }
  const ids = all("[id]").map((e) => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) {
    found.push(`the id ${id} is there ${ids.filter((other) => other === id).length} times`);
  }
  for (const cell of all("th:not([scope])")) found.push(`no scope: ${told(cell)}`);
  for (const e of all("[tabindex]")) if (e.tabIndex > 0) found.push(`jumps the queue: ${told(e)}`);
  for (const e of all("[aria-sort]")) {
    if (!["ascending", "descending"].includes(e.ariaSort)) found.push(`sorted how? ${told(e)}`);
  }
  return found;
}"""

#: What makes the whole page scroll sideways: boxes that reach beyond it, outside of any frame.
_WIDE = """() => {
  const room = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= room) return [];
  const clips = (e) => getComputedStyle(e).overflowX !== "visible";
  const isFramed = (e) => e && (clips(e) || isFramed(e.parentElement));
  return [...document.querySelectorAll("body *")]
    .filter((e) => e.getBoundingClientRect().right > room + 1 && !isFramed(e.parentElement))
    .map((e) => `wider than ${room} px: ${e.outerHTML.slice(0, 120)}`).slice(0, 5)
    .concat(`scrolls sideways at ${room} px`);
}"""

#: First columns that stay in sight and leave less than a third of their frame to the others.
_GREEDY = """() => [...document.querySelectorAll(".table-frame:has(tbody .pinned)")]
  .filter((frame) => frame.querySelector("tbody .pinned").offsetWidth > frame.clientWidth * 2 / 3)
  .map((frame) => `its first column leaves no room: ${frame.ariaLabel}`)"""

_AXE = "options => axe.run({...options, resultTypes: ['violations'], preload: false})"
#: Rows of a table, paragraphs of a text, marks of a chart: siblings of the same classes are alike,
#: and axe is slow. So many of each are enough; those of a form are all looked at.
_ALIKE = 4
_SHORTEN = """n => {
  document.querySelectorAll(".is-live .chart-static").forEach((e) => e.replaceChildren());
  for (const parent of document.querySelectorAll("main, main *")) {
    const seen = {};
    for (const e of [...parent.children]) {
      const kind = `${e.tagName} ${e.getAttribute("class")}`;
      seen[kind] = (seen[kind] || 0) + 1;
      if (seen[kind] > n && !e.closest("form")) e.remove();
    }
  }
}"""
#: Texts that have the same classes all the way up have the same colours: one of each is enough.
_CONTRAST = """rule => {
  const path = (e) => e ? `${path(e.parentElement)} ${e.tagName}.${e.className}` : "";
  const seen = new Map();
  for (const e of document.body.querySelectorAll("*")) {
    const hasText = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!hasText && !e.matches("input, select, textarea")) continue;
    if (e.checkVisibility({visibilityProperty: true})) seen.set(path(e), e);
  }
  return axe.run({include: [...seen.values()]}, {
    runOnly: {type: "rule", values: [rule]}, resultTypes: ["violations"], preload: false,
  });
}"""


def problems_of(page: Any) -> list[str]:
    """On a phone, light; then dark; then on a desktop. The page is spoilt afterwards."""
    found: list[str] = structure_problems(page) + wide_problems(page)
    page.set_viewport_size(NARROWEST)
    found += wide_problems(page)
    page.set_viewport_size(PHONE)
    found += axe_problems(page) + contrast_problems(page)
    page.emulate_media(color_scheme="dark")
    found += contrast_problems(page)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESKTOP)
    found += wide_problems(page) + layout_problems(page)
    page.set_viewport_size(PHONE)
    return found


def draw_charts(page: Any) -> None:
    """Come near each chart, until its live drawing stands there."""
    for figure in page.locator("[data-chart]").all():
        figure.scroll_into_view_if_needed()
    page.wait_for_selector("[data-chart]:not(.is-live)", state="detached")


def structure_problems(page: Any) -> list[str]:
    """One heading of level 1 and no level left out, unique ids, scopes of table headings."""
    found: list[str] = page.evaluate(_STRUCTURE)
    return found


def wide_problems(page: Any) -> list[str]:
    """Whatever makes the whole page scroll sideways, or hides the columns of a table."""
    found: list[str] = page.evaluate(_WIDE) + page.evaluate(_GREEDY)
    return found


def axe_problems(page: Any) -> list[str]:
    """All rules but that of contrast. Long tables, lists and charts of the page are cut."""
    page.evaluate(_SHORTEN, _ALIKE)
    # The page's content policy forbids scripts of others; what the debugger evaluates is none.
    page.evaluate(_axe_source())
    only = {"type": "tag", "values": TAGS}
    return _told(page.evaluate(_AXE, {"runOnly": only, "rules": {CONTRAST: {"enabled": False}}}))


def layout_problems(page: Any) -> list[str]:
    """The rules that depend on the width; after ``axe_problems``."""
    return _told(page.evaluate(_AXE, {"runOnly": {"type": "rule", "values": LAYOUT_RULES}}))


def contrast_problems(page: Any) -> list[str]:
    """Texts that do not stand out from their ground; after ``axe_problems``."""
    return _told(page.evaluate(_CONTRAST, CONTRAST))


def _told(result: dict[str, Any]) -> list[str]:
    return [
        f"{rule['impact']} {rule['id']}: {node['html'][:160]} ({' '.join(node['target'])})"
        + (f" {node['any'][0]['message']}" if rule["id"] == CONTRAST else "")
        for rule in result["violations"]
        for node in rule["nodes"]
    ]


@cache
def _axe_source() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
