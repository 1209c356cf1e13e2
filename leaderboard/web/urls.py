"""Addresses of the pages."""

from django.urls import URLPattern, URLResolver, include, path, register_converter
from django.urls.converters import StringConverter

from leaderboard.web import runtimes, status
from leaderboard.web.accounts import accounts, teams
from leaderboard.web.boards import evaluations, overall, systems, tasks
from leaderboard.web.docs import pages, sitemap
from leaderboard.web.pictures import views
from leaderboard.web.potentials import cards, listing, profile, submit


class DottedSlug(StringConverter):
    """Slugs as the models write them; nothing else reaches the database."""

    regex = r"[a-z0-9]+(?:[.-][a-z0-9]+)*"


class PotentialAddress(StringConverter):
    """A slug, with a tail as long as no version was public."""

    regex = rf"{DottedSlug.regex}(?:~[0-9a-f]{{8}})?"


class SystemName(StringConverter):
    """Whatever a reference set calls a system; PostgreSQL knows no NUL."""

    regex = r"[^\x00]{1,200}"


register_converter(DottedSlug, "dotted-slug")
register_converter(PotentialAddress, "potential-address")
register_converter(SystemName, "system-name")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", overall.home, name="home"),
    path("benchmarks/<dotted-slug:slug>/", overall.benchmark_latest, name="benchmark-latest"),
    path("benchmarks/<dotted-slug:slug>/<int:number>/", overall.benchmark, name="benchmark"),
    path("card.png", views.site, name="card"),
    path(
        "benchmarks/<dotted-slug:slug>/<int:number>/card.png",
        views.benchmark,
        name="benchmark-card",
    ),
    path("tasks/<dotted-slug:slug>/card.png", views.task, name="task-card"),
    path("tasks/<dotted-slug:slug>/<int:number>/card.png", views.task, name="task-version-card"),
    path("potentials/<dotted-slug:slug>/card.png", views.potential, name="potential-card"),
    path("tasks/", tasks.task_list, name="tasks"),
    path("tasks/<dotted-slug:slug>/", tasks.task, name="task"),
    path("tasks/<dotted-slug:slug>/<int:number>/", tasks.task, name="task-version"),
    path(
        "tasks/<dotted-slug:slug>/systems/<system-name:system_id>/",
        systems.system_latest,
        name="system-latest",
    ),
    path(
        "tasks/<dotted-slug:slug>/<int:number>/systems/<system-name:system_id>/",
        systems.system,
        name="system",
    ),
    path(
        "tasks/<dotted-slug:slug>/<int:number>/structures/<system-name:system_id>.xyz",
        systems.structure,
        name="structure",
    ),
    path("potentials/", listing.potential_list, name="potentials"),
    path("potentials/<potential-address:slug>/", profile.potential, name="potential"),
    path("potentials/<potential-address:slug>/edit/", cards.potential_edit, name="potential-edit"),
    path("submissions/", submit.submissions, name="submissions"),
    path("submissions/new/", submit.submission_new, name="submission-new"),
    path("submissions/<uuid:pk>/", evaluations.submission, name="submission"),
    path(
        "submissions/<uuid:pk>/progress/",
        evaluations.submission_progress,
        name="submission-progress",
    ),
    path("submissions/<uuid:pk>/publish/", evaluations.submission_publish, name="publish"),
    path("submissions/<uuid:pk>/withdraw/", evaluations.submission_withdraw, name="withdraw"),
    path("evaluations/<uuid:pk>/", evaluations.evaluation, name="evaluation"),
    path("evaluations/<uuid:pk>/cancel/", evaluations.evaluation_cancel, name="evaluation-cancel"),
    path(
        "evaluations/<uuid:pk>/reevaluate/",
        evaluations.evaluation_reevaluate,
        name="evaluation-reevaluate",
    ),
    path("", include("leaderboard.web.advice.urls")),
    path("runtimes/", runtimes.runtimes, name="runtimes"),
    path("runtimes/<dotted-slug:name>/", runtimes.runtime, name="runtime"),
    path("queue/", status.queue, name="queue"),
    path("docs/", pages.quick_start, name="docs"),
    path("docs/verdicts/", pages.verdicts, name="verdicts"),
    path("docs/protocols/", pages.protocols, name="protocols"),
    path("docs/protocols/<slug:name>/", pages.protocol, name="protocol"),
    path("docs/cite/", pages.cite, name="cite"),
    path("docs/<slug:name>/", pages.document, name="doc"),
    path("", include("leaderboard.web.accounts.sign_in_urls")),
    path("account/", accounts.account, name="account"),
    path("account/welcome/", accounts.welcome, name="welcome"),
    path("account/tokens/", accounts.token_create, name="token-create"),
    path("account/tokens/<int:pk>/revoke/", accounts.token_revoke, name="token-revoke"),
    path("teams/", teams.team_create, name="team-create"),
    path("teams/<dotted-slug:slug>/", teams.team, name="team"),
    path("teams/<dotted-slug:slug>/invite/", teams.team_invite, name="team-invite"),
    path(
        "teams/<dotted-slug:slug>/invitations/<uuid:pk>/revoke/",
        teams.team_uninvite,
        name="team-uninvite",
    ),
    path("teams/<dotted-slug:slug>/members/<str:username>/", teams.team_member, name="team-member"),
    path("invitations/<uuid:pk>/", teams.invitation, name="invitation"),
    path("sitemap.xml", sitemap.sitemap, name="sitemap"),
    path("robots.txt", status.robots, name="robots"),
]
