"""Tokens and the account."""

from __future__ import annotations

from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.authentication import require_scope
from leaderboard.api.serializers.accounts import (
    MeRecord,
    NewTokenRecord,
    QuotaRecord,
    TokenRecord,
    TokenRequest,
)
from leaderboard.api.throttling import check_code_tries, check_sign_in
from leaderboard.api.views.base import ByTime, PagedView, described, one, paged, signed_in
from leaderboard.enums import TokenScope
from leaderboard.models import ApiToken
from leaderboard.services.accounts import second_factor
from leaderboard.services.accounts.accounts import create_token, is_confirmed, revoke_token
from leaderboard.services.accounts.quotas import Payer, allowances


class TokenList(PagedView):
    pagination_class = ByTime

    def get_permissions(self) -> list[BasePermission]:
        return [AllowAny() if self.request.method == "POST" else IsAuthenticated()]

    @described("account", "Your valid tokens", TokenRecord(many=True), operation_id="tokens_list")
    def get(self, request: Request) -> Response:
        rows = ApiToken.objects.valid().filter(user=signed_in(request))
        return paged(self, rows, TokenRecord)

    @described(
        "account",
        "Make a token, with username and password or from a session",
        {201: NewTokenRecord},
        request=TokenRequest,
        auth=[{}, {"session": []}],
    )
    def post(self, request: Request) -> Response:
        form = TokenRequest(data=request.data)
        form.is_valid(raise_exception=True)
        given = form.validated_data
        user = _who(
            request,
            given.pop("username", None),
            given.pop("password", None),
            given.pop("code", ""),
        )
        row, text = create_token(user, given.pop("name"), **given)
        body = {**TokenRecord(row).data, "token": text}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class TokenDetail(APIView):
    permission_classes = (IsAuthenticated,)
    token_scope = None  # a token of any scope may end itself

    @described("account", "Revoke one of your tokens", {204: None}, operation_id="tokens_revoke")
    def delete(self, request: Request, hint: str) -> Response:
        user = signed_in(request)
        tokens = ApiToken.objects.valid().filter(user=user)
        token = one(tokens, f"token {hint}", hint=hint)
        if isinstance(request.auth, ApiToken) and token != request.auth:
            require_scope(request.auth, TokenScope.SUBMIT)
        revoke_token(user, token)
        return Response(status=204)


class Me(APIView):
    permission_classes = (IsAuthenticated,)

    @described("account", "Who you are to the service", MeRecord)
    def get(self, request: Request) -> Response:
        user = signed_in(request)
        token = request.auth if isinstance(request.auth, ApiToken) else None
        body = {"username": user.username, "is_staff": user.is_staff, "token": token}
        return Response(MeRecord(body).data)


@extend_schema(exclude=True)
class SignedIn(APIView):
    """Answers a proxy that asks, before it takes a large body, whether anybody sends it.

    The request itself is counted, and its token's scopes are looked at, when it comes.
    """

    permission_classes = (IsAuthenticated,)
    safe_scope = None
    throttle_classes = ()

    def get(self, request: Request) -> Response:
        return Response(status=204)


class MyQuota(APIView):
    permission_classes = (IsAuthenticated,)

    @described("account", "How many evaluations you may still ask for", QuotaRecord)
    def get(self, request: Request) -> Response:
        user = signed_in(request)
        return Response(quota_record(user, user.username, is_unlimited=user.is_staff))


def quota_record(payer: Payer, account: str, *, is_unlimited: bool = False) -> dict[str, object]:
    limits = [] if is_unlimited else allowances(payer)
    body = {"account": account, "is_unlimited": is_unlimited, "limits": limits}
    return dict(QuotaRecord(body).data)


def _who(request: Request, username: str | None, password: str | None, code: str) -> User:
    """Whom a new token is for. A token cannot make tokens: a leaked one would outlive itself."""
    if username is not None or password is not None:
        check_sign_in(request, username or "")
        user = authenticate(request._request, username=username or "", password=password or "")
        if not isinstance(user, User):
            raise AuthenticationFailed("Wrong username or password.")
        if not is_confirmed(user):
            raise AuthenticationFailed(
                "Your e-mail address is not confirmed. Follow the link in the letter; signing in "
                "on the site sends another."
            )
        _check_code(request, user, code)
        return user
    if isinstance(request.auth, ApiToken):
        raise PermissionDenied("A token cannot make tokens. Send username and password.")
    if not isinstance(request.user, User):
        raise AuthenticationFailed("Send the username and password of your account.")
    return request.user


def _check_code(request: Request, user: User, code: str) -> None:
    """A password alone makes no token where the account has a second factor."""
    if second_factor.factor_of(user) is None:
        return
    if not code:
        error = AuthenticationFailed(
            "This account has two-factor sign-in: send the code of its app, or a recovery code, "
            "as 'code'."
        )
        error.members = {"code": "second_factor_required"}  # type: ignore[attr-defined]
        raise error
    check_code_tries(request, user)
    if second_factor.spent_by(user, code) is None:
        raise AuthenticationFailed("Wrong code, or one that was used already.")
