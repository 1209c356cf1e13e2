"""Teams, their members, and invitations. What changes them needs a token's scope "admin"."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.query import NoFilter, read_query
from leaderboard.api.serializers.accounts import QuotaRecord
from leaderboard.api.serializers.teams import (
    InvitationRecord,
    InvitationRequest,
    MemberRecord,
    RoleChange,
    TeamChange,
    TeamRecord,
    TeamRequest,
)
from leaderboard.api.views.accounts import quota_record
from leaderboard.api.views.base import BySlug, ByTime, PagedView, described, one, paged, signed_in
from leaderboard.enums import TokenScope
from leaderboard.models import Invitation, Membership, Team
from leaderboard.models.permissions import check_may_manage_team
from leaderboard.services.accounts import teams as service


class ByJoining(ByTime):
    ordering = "joined_at"


class TeamView(APIView):
    """For the members of a team and the staff; to all others there is no such team."""

    permission_classes = (IsAuthenticated,)
    token_scope = TokenScope.ADMIN

    def team(self, request: Request, slug: str) -> Team:
        rows = Team.objects.all().visible_to(signed_in(request))
        team: Team = one(rows, f"team {slug!r}", slug=slug)
        return team

    def member(self, request: Request, slug: str, username: str) -> Membership:
        rows = self.team(request, slug).memberships.select_related("user", "team")
        return one(rows, f"member {username!r}", user__username=username)


class TeamList(TeamView, PagedView):
    pagination_class = BySlug

    @described("teams", "Your teams", TeamRecord(many=True), operation_id="teams_list")
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        rows = Team.objects.all().visible_to(signed_in(request))
        return paged(self, rows, TeamRecord)

    @described("teams", "Make a team that you own", {201: TeamRecord}, request=TeamRequest)
    def post(self, request: Request) -> Response:
        form = TeamRequest(data=request.data)
        form.is_valid(raise_exception=True)
        team = service.create_team(signed_in(request), **form.validated_data)
        data = TeamRecord(team, context={"request": request}).data
        return Response(data, status=201, headers={"Location": data["url"]})


class TeamDetail(TeamView):
    @described("teams", "A team of yours", TeamRecord, operation_id="teams_read")
    def get(self, request: Request, slug: str) -> Response:
        return Response(TeamRecord(self.team(request, slug), context={"request": request}).data)

    @described("teams", "Rename your team", TeamRecord, request=TeamChange)
    def patch(self, request: Request, slug: str) -> Response:
        team = self.team(request, slug)
        form = TeamChange(data=request.data)
        form.is_valid(raise_exception=True)
        team = service.rename_team(signed_in(request), team, form.validated_data["name"])
        return Response(TeamRecord(team, context={"request": request}).data)

    @described("teams", "Delete your team, once it owns nothing", {204: None})
    def delete(self, request: Request, slug: str) -> Response:
        service.delete_team(signed_in(request), self.team(request, slug))
        return Response(status=204)


class TeamQuota(TeamView):
    @described("teams", "How many evaluations your team may still ask for", QuotaRecord)
    def get(self, request: Request, slug: str) -> Response:
        team = self.team(request, slug)
        return Response(quota_record(team, team.slug))


class MemberList(TeamView, PagedView):
    pagination_class = ByJoining

    @described("teams", "Members of your team", MemberRecord(many=True), operation_id="members")
    def get(self, request: Request, slug: str) -> Response:
        read_query(request, NoFilter)
        return paged(
            self, self.team(request, slug).memberships.select_related("user"), MemberRecord
        )


class MemberDetail(TeamView):
    @described("teams", "Change a member's role", MemberRecord, request=RoleChange)
    def patch(self, request: Request, slug: str, username: str) -> Response:
        member = self.member(request, slug, username)
        form = RoleChange(data=request.data)
        form.is_valid(raise_exception=True)
        changed = service.change_role(signed_in(request), member, form.validated_data["role"])
        return Response(MemberRecord(changed).data)

    @described("teams", "Remove a member, or leave", {204: None}, operation_id="members_remove")
    def delete(self, request: Request, slug: str, username: str) -> Response:
        service.remove_member(signed_in(request), self.member(request, slug, username))
        return Response(status=204)


class TeamInvitationList(TeamView, PagedView):
    pagination_class = ByTime

    @described(
        "teams",
        "Open invitations to your team; for its owners",
        InvitationRecord(many=True),
        operation_id="team_invitations",
    )
    def get(self, request: Request, slug: str) -> Response:
        read_query(request, NoFilter)
        team = self.team(request, slug)
        check_may_manage_team(signed_in(request), team)
        return paged(self, _pending().filter(team=team), InvitationRecord)

    @described("teams", "Invite somebody", {201: InvitationRecord}, request=InvitationRequest)
    def post(self, request: Request, slug: str) -> Response:
        team = self.team(request, slug)
        form = InvitationRequest(data=request.data)
        form.is_valid(raise_exception=True)
        site = request.build_absolute_uri("/").rstrip("/")
        made = service.invite(signed_in(request), team, **form.validated_data, site=site)
        data = InvitationRecord(made, context={"request": request}).data
        return Response(data, status=201, headers={"Location": data["url"]})


class TeamInvitationDetail(TeamView):
    @described("teams", "Revoke an invitation", {204: None}, operation_id="team_invitations_revoke")
    def delete(self, request: Request, slug: str, pk: UUID) -> Response:
        team = self.team(request, slug)
        check_may_manage_team(signed_in(request), team)
        service.revoke_invitation(
            signed_in(request), one(_pending().filter(team=team), f"invitation {pk}", pk=pk)
        )
        return Response(status=204)


class InvitationList(PagedView):
    permission_classes = (IsAuthenticated,)
    pagination_class = ByTime

    @described(
        "teams",
        "Open invitations to you",
        InvitationRecord(many=True),
        operation_id="invitations_list",
    )
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        return paged(self, _pending().filter(user=signed_in(request)), InvitationRecord)


class InvitationDetail(APIView):
    """For the one whom it names; one by e-mail for whoever has the link."""

    permission_classes = (IsAuthenticated,)
    token_scope = TokenScope.ADMIN

    @described("teams", "An invitation", InvitationRecord, operation_id="invitations_read")
    def get(self, request: Request, pk: UUID) -> Response:
        invitation = service.find_invitation(signed_in(request), pk)
        return Response(InvitationRecord(invitation, context={"request": request}).data)

    @described("teams", "Decline an invitation", {204: None})
    def delete(self, request: Request, pk: UUID) -> Response:
        user = signed_in(request)
        service.decline_invitation(user, service.find_invitation(user, pk))
        return Response(status=204)


class InvitationAccept(APIView):
    permission_classes = (IsAuthenticated,)
    token_scope = TokenScope.ADMIN

    @described("teams", "Accept an invitation", MemberRecord, request=None)
    def post(self, request: Request, pk: UUID) -> Response:
        user = signed_in(request)
        member = service.accept_invitation(user, service.find_invitation(user, pk))
        return Response(MemberRecord(member).data)


def _pending() -> QuerySet[Invitation]:
    rows = Invitation.objects.all().pending()
    selected: QuerySet[Invitation] = rows.select_related("team", "user", "invited_by")
    return selected
