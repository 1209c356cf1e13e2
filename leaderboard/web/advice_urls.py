"""Addresses of the pages that help to decide."""

from django.urls import URLPattern, path

from leaderboard.web import choose

urlpatterns: list[URLPattern] = [
    path("choose/", choose.choose, name="choose"),
]
