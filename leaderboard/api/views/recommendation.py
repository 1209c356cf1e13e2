"""The advisor as JSON: the same answer as the page /choose/, from the same query."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.board_rows import written
from leaderboard.api.query import read_query
from leaderboard.api.serializers.recommendation import CandidateRecord, RecommendationRecord
from leaderboard.api.views.base import described, user_of
from leaderboard.services.advice.question import wishes_from_query
from leaderboard.services.advice.recommendation import board_version, recommend
from leaderboard.services.boards.rules import WEIGHT_PREFIX


class RecommendQuery(serializers.Serializer[Any]):
    """Names of the query; wishes_from_query says what is wrong with their values."""

    elements = serializers.CharField(
        required=False, allow_blank=True, help_text="That the simulation holds: Li,P,S or Li3PS4."
    )
    n_atoms = serializers.CharField(
        required=False, allow_blank=True, help_text="Number of atoms; 1000 if left out."
    )
    duration = serializers.CharField(
        required=False, allow_blank=True, help_text="Simulated time, in duration_unit; 100."
    )
    duration_unit = serializers.CharField(
        required=False, allow_blank=True, help_text="ps (if left out) or ns."
    )
    timestep_fs = serializers.CharField(
        required=False, allow_blank=True, help_text="Time step; 1 fs if left out."
    )
    temperature_K = serializers.CharField(
        required=False, allow_blank=True, help_text="Which tasks of dynamics reach it is noted."
    )
    hardware = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="A key of measured_hardware, gpu, cpu, or nothing for the most often timed.",
    )
    memory_GiB = serializers.CharField(
        required=False, allow_blank=True, help_text="Of your device; as measured if left out."
    )
    max_hours = serializers.CharField(required=False, allow_blank=True, help_text="At most.")
    licence = serializers.CharField(
        required=False, allow_blank=True, help_text="any (if left out) or open."
    )
    level_of_theory = serializers.CharField(
        required=False, allow_blank=True, help_text="Of the training data: PBE, r2SCAN."
    )


class Recommend(APIView):
    @described(
        "leaderboards",
        "Which potential for this simulation: ranked, with estimated hours and memory; "
        "weight.<category>=2 says what matters",
        RecommendationRecord,
        parameters=[RecommendQuery],
    )
    def get(self, request: Request) -> Response:
        read_query(request, RecommendQuery, WEIGHT_PREFIX)
        wishes = wishes_from_query(request.query_params.dict())
        version = board_version()
        if version is None:
            raise Http404("No benchmark has been published yet.")
        recommendation = recommend(wishes, version, user=user_of(request))
        answer = RecommendationRecord(
            replace(recommendation, candidates=[]), context={"request": request}
        ).data
        candidates = written(CandidateRecord, recommendation.candidates, request)
        return Response({**answer, "candidates": candidates})
