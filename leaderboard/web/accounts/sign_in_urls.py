"""Addresses of sign-up, sign-in and passwords; the names are those that allauth asks for."""

from allauth.account import views
from allauth.mfa.base import views as factors
from allauth.mfa.recovery_codes import views as recovery
from allauth.mfa.totp import views as totp
from allauth.socialaccount import views as social
from django.conf import settings
from django.contrib.auth.views import LogoutView
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.cache import never_cache

from leaderboard.web.accounts.second_factor import guarded
from leaderboard.web.accounts.sign_in import throttled, writes_letters

_KEY = r"(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)"
login = throttled(views.login)

urlpatterns: list[URLPattern | URLResolver] = [
    path("login/", login, name="login"),
    path("login/", login, name="account_login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("logout/", LogoutView.as_view(), name="account_logout"),
    path("signup/", throttled(writes_letters(views.signup)), name="account_signup"),
    path("account/inactive/", views.account_inactive, name="account_inactive"),
    path("account/email/", throttled(writes_letters(views.email)), name="account_email"),
    path("account/confirm/", views.email_verification_sent, name="account_email_verification_sent"),
    re_path(
        r"^account/confirm/(?P<key>[-:\w]+)/$", views.confirm_email, name="account_confirm_email"
    ),
    path("account/password/", throttled(views.password_change), name="account_change_password"),
    path("account/password/set/", throttled(views.password_set), name="account_set_password"),
    path(
        "account/password/reset/",
        throttled(writes_letters(views.password_reset)),
        name="account_reset_password",
    ),
    path(
        "account/password/reset/sent/",
        views.password_reset_done,
        name="account_reset_password_done",
    ),
    path(
        "account/password/reset/done/",
        views.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    re_path(
        rf"^account/password/reset/{_KEY}/$",
        throttled(never_cache(views.password_reset_from_key)),
        name="account_reset_password_from_key",
    ),
    path("account/again/", guarded(views.reauthenticate), name="account_reauthenticate"),
    path("account/two-factor/", never_cache(factors.index), name="mfa_index"),
    path("account/two-factor/code/", guarded(factors.authenticate), name="mfa_authenticate"),
    path("account/two-factor/again/", guarded(factors.reauthenticate), name="mfa_reauthenticate"),
    path(
        "account/two-factor/app/",
        guarded(never_cache(totp.activate_totp)),
        name="mfa_activate_totp",
    ),
    path(
        "account/two-factor/app/remove/",
        guarded(totp.deactivate_totp),
        name="mfa_deactivate_totp",
    ),
    path(
        "account/two-factor/recovery/",
        never_cache(recovery.view_recovery_codes),
        name="mfa_view_recovery_codes",
    ),
    path(
        "account/two-factor/recovery/new/",
        guarded(recovery.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path("account/social/", social.connections, name="socialaccount_connections"),
    path(
        "account/social/signup/",
        throttled(writes_letters(social.signup)),
        name="socialaccount_signup",
    ),
    path("account/social/error/", social.login_error, name="socialaccount_login_error"),
    path("account/social/cancelled/", social.login_cancelled, name="socialaccount_login_cancelled"),
    *(
        path("account/social/", include(f"allauth.socialaccount.providers.{name}.urls"))
        for name in settings.SOCIALACCOUNT_PROVIDERS
    ),
]
