"""The index of the API, and the answer to addresses that are none."""

from __future__ import annotations

from typing import NoReturn

from django.http import Http404
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularRedocView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from leaderboard.api.views.base import described

_RESOURCES = {
    "schema": "schema",
    "docs": "docs",
    "redoc": "redoc",
    "me": "me",
    "tokens": "tokens",
    "quota": "my-quota",
    "teams": "teams",
    "invitations": "invitations",
    "potentials": "potentials",
    "uploads": "uploads",
    "webhooks": "webhooks",
    "submissions": "submissions",
    "evaluations": "evaluations",
    "queue": "queue",
    "tasks": "tasks",
    "protocols": "protocols",
    "calculators": "calculators",
    "reference_sets": "reference-sets",
    "benchmarks": "benchmarks",
    "recommend": "recommend",
}


class Index(APIView):
    @described("index", "What there is", dict[str, str], operation_id="index")
    def get(self, request: Request) -> Response:
        names = _RESOURCES.items()
        return Response({key: reverse(f"api:{name}", request=request) for key, name in names})


class Redoc(SpectacularRedocView):
    """With a page of ours: drf-spectacular's takes fonts from elsewhere."""

    template_name = "redoc.html"


@extend_schema(exclude=True)
class Nowhere(APIView):
    """Any other address below the API, so that its answer too is a problem."""

    permission_classes = (AllowAny,)

    def initial(self, request: Request, *args: object, **kwargs: object) -> NoReturn:
        hint = "" if request.path.endswith("/") else " Addresses end with a slash."
        raise Http404(f"There is nothing at {request.path}.{hint} See /api/v1/ for what there is.")
