"""Addresses of the API. Slugs and UUIDs; every one but that of a file ends with a slash."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, re_path, register_converter
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from evaluator.contract import FILE_NAME_PATTERN
from leaderboard.api import schema  # noqa: F401  (registers how the token is described)
from leaderboard.api.views import (
    accounts,
    agreement,
    boards,
    bundles,
    committee,
    evaluations,
    events,
    feeds,
    history,
    maps,
    output_files,
    queue,
    recommendation,
    root,
    runtimes,
    submissions,
    tasks,
    teams,
    uploads,
    webhooks,
)


class DottedSlug:
    """Slugs as models write them; nothing else reaches the database."""

    regex = r"[a-z0-9]+(?:[.-][a-z0-9]+)*"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class PotentialAddress(DottedSlug):
    """A slug, with a tail as long as no version was public."""

    regex = rf"{DottedSlug.regex}(?:~[0-9a-f]{{8}})?"


class SystemName(DottedSlug):
    regex = r"[^\x00]{1,200}"  # whatever a reference set calls it; PostgreSQL knows no NUL


class FileName(DottedSlug):
    regex = FILE_NAME_PATTERN


class Hint(DottedSlug):
    regex = r"[A-Za-z0-9_-]{1,12}"


class Kind(DottedSlug):
    regex = "potentials|tasks|leaderboards"


class Number:
    """A small whole number: what is longer cannot be one of ours."""

    regex = r"[0-9]{1,6}"

    def to_python(self, value: str) -> int:
        return int(value)

    def to_url(self, value: int) -> str:
        return str(value)


class Sha256(DottedSlug):
    regex = "[0-9a-f]{64}"


class UserName(DottedSlug):
    regex = r"[\w.@+-]{1,150}"


register_converter(DottedSlug, "dotted")
register_converter(PotentialAddress, "potential")
register_converter(UserName, "username")
register_converter(Sha256, "sha256")
register_converter(Number, "number")
register_converter(Kind, "kind")
register_converter(Hint, "hint")
register_converter(SystemName, "system")
register_converter(FileName, "filename")

app_name = "api"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", root.Index.as_view(), name="index"),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("redoc/", root.Redoc.as_view(url_name="api:schema"), name="redoc"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
    path("me/", accounts.Me.as_view(), name="me"),
    path("signed-in/", accounts.SignedIn.as_view(), name="signed-in"),
    path("queue/", queue.Queue.as_view(), name="queue"),
    path("me/quota/", accounts.MyQuota.as_view(), name="my-quota"),
    path("tokens/", accounts.TokenList.as_view(), name="tokens"),
    path("tokens/<hint:hint>/", accounts.TokenDetail.as_view(), name="token"),
    path("teams/", teams.TeamList.as_view(), name="teams"),
    path("teams/<dotted:slug>/", teams.TeamDetail.as_view(), name="team"),
    path("teams/<dotted:slug>/quota/", teams.TeamQuota.as_view(), name="team-quota"),
    path("teams/<dotted:slug>/members/", teams.MemberList.as_view(), name="team-members"),
    path(
        "teams/<dotted:slug>/members/<username:username>/",
        teams.MemberDetail.as_view(),
        name="team-member",
    ),
    path(
        "teams/<dotted:slug>/invitations/",
        teams.TeamInvitationList.as_view(),
        name="team-invitations",
    ),
    path(
        "teams/<dotted:slug>/invitations/<uuid:pk>/",
        teams.TeamInvitationDetail.as_view(),
        name="team-invitation",
    ),
    path("invitations/", teams.InvitationList.as_view(), name="invitations"),
    path("invitations/<uuid:pk>/", teams.InvitationDetail.as_view(), name="invitation"),
    path(
        "invitations/<uuid:pk>/accept/", teams.InvitationAccept.as_view(), name="invitation-accept"
    ),
    path("potentials/", submissions.PotentialList.as_view(), name="potentials"),
    path("potentials/<potential:slug>/", submissions.PotentialDetail.as_view(), name="potential"),
    path(
        "potentials/<potential:slug>/history/",
        history.PotentialHistory.as_view(),
        name="potential-history",
    ),
    path("webhooks/", webhooks.WebhookList.as_view(), name="webhooks"),
    path("webhooks/<uuid:pk>/", webhooks.WebhookDetail.as_view(), name="webhook"),
    path("webhooks/<uuid:pk>/ping/", webhooks.WebhookPing.as_view(), name="webhook-ping"),
    path(
        "webhooks/<uuid:pk>/deliveries/<uuid:delivery>/",
        webhooks.WebhookDeliveryDetail.as_view(),
        name="webhook-delivery",
    ),
    path(
        "webhooks/<uuid:pk>/deliveries/",
        webhooks.WebhookDeliveries.as_view(),
        name="webhook-deliveries",
    ),
    path("uploads/", uploads.UploadList.as_view(), name="uploads"),
    path("uploads/<uuid:pk>/", uploads.UploadDetail.as_view(), name="upload"),
    path(
        "uploads/<uuid:pk>/parts/<number:number>/",
        uploads.UploadPart.as_view(),
        name="upload-part",
    ),
    path("uploads/<uuid:pk>/complete/", uploads.UploadComplete.as_view(), name="upload-complete"),
    path("submissions/", submissions.SubmissionList.as_view(), name="submissions"),
    path("submissions/check/", submissions.SubmissionCheckView.as_view(), name="submission-check"),
    path("submissions/<uuid:pk>/", submissions.SubmissionDetail.as_view(), name="submission"),
    path(
        "submissions/<uuid:pk>/publish/",
        submissions.SubmissionPublish.as_view(),
        name="submission-publish",
    ),
    path(
        "submissions/<uuid:pk>/withdraw/",
        submissions.SubmissionWithdraw.as_view(),
        name="submission-withdraw",
    ),
    path(
        "submissions/<uuid:pk>/agreement/",
        agreement.SubmissionAgreement.as_view(),
        name="submission-agreement",
    ),
    path("evaluations/", evaluations.EvaluationList.as_view(), name="evaluations"),
    path("evaluations/<uuid:pk>/", evaluations.EvaluationDetail.as_view(), name="evaluation"),
    path(
        "evaluations/<uuid:pk>/systems/",
        evaluations.EvaluationSystems.as_view(),
        name="evaluation-systems",
    ),
    path("evaluations/<uuid:pk>/map/", maps.EvaluationMapView.as_view(), name="evaluation-map"),
    path(
        "evaluations/<uuid:pk>/files/",
        output_files.EvaluationFiles.as_view(),
        name="evaluation-files",
    ),
    path(
        "evaluations/<uuid:pk>/files/<system:system_id>/<filename:name>",
        output_files.EvaluationFileContent.as_view(),
        name="evaluation-file",
    ),
    path(
        "evaluations/<uuid:pk>/logs/", evaluations.EvaluationLogs.as_view(), name="evaluation-logs"
    ),
    path(
        "evaluations/<uuid:pk>/events/", events.EvaluationEvents.as_view(), name="evaluation-events"
    ),
    path(
        "evaluations/<uuid:pk>/cancel/",
        evaluations.EvaluationCancel.as_view(),
        name="evaluation-cancel",
    ),
    path(
        "evaluations/<uuid:pk>/reevaluate/",
        evaluations.EvaluationRepeat.as_view(),
        name="evaluation-reevaluate",
    ),
    path("tasks/", tasks.TaskList.as_view(), name="tasks"),
    path("tasks/<dotted:slug>/", tasks.TaskDetail.as_view(), name="task"),
    path(
        "tasks/<dotted:slug>/leaderboard/",
        boards.TaskLeaderboard.as_view(),
        name="task-leaderboard",
    ),
    path(
        "tasks/<dotted:slug>/committee/", committee.TaskCommittee.as_view(), name="task-committee"
    ),
    path("tasks/<dotted:slug>/map/", maps.TaskMapView.as_view(), name="task-map"),
    path("tasks/<dotted:slug>/bundle/", bundles.TaskBundle.as_view(), name="task-bundle"),
    path("bundle/", bundles.BundleView.as_view(), name="bundle"),
    path("bundle/files/<sha256:sha256>/", bundles.BundleFileView.as_view(), name="bundle-file"),
    path("protocols/", tasks.ProtocolList.as_view(), name="protocols"),
    path("calculators/", tasks.CalculatorList.as_view(), name="calculators"),
    path("runtimes/", runtimes.RuntimeList.as_view(), name="runtimes"),
    path("runtimes/<dotted:name>/", runtimes.RuntimeDetail.as_view(), name="runtime"),
    path("reference-sets/", tasks.ReferenceSetList.as_view(), name="reference-sets"),
    path(
        "reference-sets/files/<sha256:sha256>/",
        bundles.ReferenceFile.as_view(),
        name="reference-file",
    ),
    path("benchmarks/", tasks.BenchmarkList.as_view(), name="benchmarks"),
    path("recommend/", recommendation.Recommend.as_view(), name="recommend"),
    path(
        "leaderboards/<dotted:slug>/diff/",
        boards.LeaderboardDiff.as_view(),
        name="leaderboard-diff",
    ),
    path("<kind:kind>/<dotted:slug>/badge.svg", feeds.Badge.as_view(), name="badge"),
    path("<kind:kind>/<dotted:slug>/feed.atom", feeds.Feed.as_view(), name="feed"),
    path("tasks/<dotted:slug>/leaderboard/diff/", boards.TaskDiff.as_view(), name="task-diff"),
    path("leaderboards/<dotted:slug>/", boards.Leaderboard.as_view(), name="leaderboard"),
    re_path(r"^.*\Z", root.Nowhere.as_view(), name="nowhere"),
]
