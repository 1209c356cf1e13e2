"""Whether a submission's answers to several tasks are those of one potential."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.query import NoFilter, read_query
from leaderboard.api.serializers.agreement import AgreementRecord
from leaderboard.api.views.base import described, one, user_of
from leaderboard.models import Submission
from leaderboard.services.advice.agreement import TOLERANCE_PERCENT, agreement
from leaderboard.services.evaluations.progress import scored_evaluations


class SubmissionAgreement(APIView):
    @described(
        "submissions",
        "Energies of one task against stresses of another, on crystals that both have",
        AgreementRecord,
    )
    def get(self, request: Request, pk: UUID) -> Response:
        read_query(request, NoFilter)
        visible = Submission.objects.visible_to(user_of(request))
        submission = one(visible, f"submission {pk}", pk=pk)
        told = agreement(scored_evaluations([submission]))
        crystals = told.crystals if told else []
        answer = {
            "n_crystals": len(crystals),
            "median_percent": told.median_percent if told else None,
            "tolerance_percent": TOLERANCE_PERCENT,
            "doubt": told.doubt if told else "",
            "crystals": crystals,
        }
        return Response(AgreementRecord(answer, context={"request": request}).data)
