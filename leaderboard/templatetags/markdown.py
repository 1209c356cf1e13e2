"""Texts in Markdown on pages."""

from __future__ import annotations

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from leaderboard.lib.markdown import description

register = template.Library()

# A text in Hebrew or Arabic begins on its own side.
_FRAME = '<div class="markdown" dir="auto">{}</div>'


@register.filter
def markdown(text: str, level: int) -> SafeString:
    """What an administrator wrote; its headings begin at ``level``."""
    return format_html(_FRAME, description(text, level, by_strangers=False))


@register.filter
def markdown_of_strangers(text: str, level: int) -> SafeString:
    return format_html(_FRAME, description(text, level, by_strangers=True))
