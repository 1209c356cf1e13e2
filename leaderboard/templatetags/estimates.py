"""Estimates, differences and correlations in templates."""

from __future__ import annotations

from django import template

from leaderboard.web.estimates import against_first, hours, rough, shade, signed

register = template.Library()
for _written in (rough, hours, signed, shade):
    register.filter(_written)
register.simple_tag(against_first)
