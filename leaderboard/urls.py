"""All addresses of the service."""

from django.contrib import admin
from django.urls import include, path

from leaderboard.web.accounts.sign_in import admin_login

urlpatterns = [
    path("admin/login/", admin_login, name="admin-login"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("leaderboard.api.urls")),
    path("", include("leaderboard.web.urls")),
]

handler404 = "leaderboard.web.errors.not_found"
