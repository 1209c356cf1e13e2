"""Addresses of the pages that help to decide."""

from django.urls import URLPattern, path

from leaderboard.web.advice import choose, compare, correlation

urlpatterns: list[URLPattern] = [
    path("choose/", choose.choose, name="choose"),
    path("compare/", compare.compare_page, name="compare"),
    path("correlation/", correlation.correlation_page, name="correlation"),
]
