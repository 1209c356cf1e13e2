"""Potentials and submissions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.http import QueryDict
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from leaderboard.api.idempotency import IDEMPOTENCY_KEY, once
from leaderboard.api.parsers import BoundedJSONParser, BoundedMultiPartParser
from leaderboard.api.problems import TooLarge
from leaderboard.api.query import NoFilter, SubmissionFilter, of_potential, read_query
from leaderboard.api.serializers.fields import read_loosely
from leaderboard.api.serializers.submissions import (
    CheckedRecord,
    PotentialChange,
    PotentialRecord,
    PotentialRequest,
    SubmissionByUpload,
    SubmissionCheck,
    SubmissionRecord,
    SubmissionRequest,
    SubmittedRecord,
)
from leaderboard.api.views.base import (
    ByAddress,
    ByTime,
    PagedView,
    described,
    one,
    paged,
    signed_in,
    user_of,
)
from leaderboard.api.views.uploads import own_uploads
from leaderboard.exceptions import AlreadyThereError, ConflictError, SubmissionError
from leaderboard.models import Evaluation, Potential, Submission, permissions
from leaderboard.models.potential import PotentialQuerySet
from leaderboard.models.team import potentials_of
from leaderboard.services.accounts.teams import named_team
from leaderboard.services.submissions import proposals
from leaderboard.services.submissions import submissions as service
from leaderboard.services.submissions.artifacts import check_sha256
from leaderboard.services.submissions.lists import potential_to_submit_to


def visible_potentials(request: Request) -> PotentialQuerySet:
    return permissions.visible_potentials(user_of(request)).select_related("owner", "team")


def visible_submissions(request: Request) -> QuerySet[Submission]:
    evaluations = (
        Evaluation.objects.current()
        .select_related("task_version__task", "task_version__reference_set")
        .defer("stdout", "stderr", "consistency", "provenance", "replicates")
        .order_by("task_version__task__slug", "task_version__number")
    )
    return (
        Submission.objects.visible_to(user_of(request))
        .select_related("potential", "artifact", "runtime_lock", "submitted_by")
        .defer("runtime_lock__text", "runtime_lock__log", "runtime_lock__packages")
        .prefetch_related(Prefetch("evaluations", evaluations))
    )


class PotentialList(PagedView):
    pagination_class = ByAddress

    @described(
        "potentials",
        "Potentials that you may see",
        PotentialRecord(many=True),
        operation_id="potentials_list",
    )
    def get(self, request: Request) -> Response:
        read_query(request, NoFilter)
        return paged(self, visible_potentials(request), PotentialRecord)

    @described(
        "potentials", "Register a potential", {201: PotentialRecord}, request=PotentialRequest
    )
    def post(self, request: Request) -> Response:
        form = PotentialRequest(data=request.data)
        form.is_valid(raise_exception=True)
        fields: dict[str, Any] = dict(form.validated_data)
        team = named_team(user_of(request), fields.pop("team", None))
        potential = service.create_potential(signed_in(request), team=team, **fields)
        data = PotentialRecord(potential, context={"request": request}).data
        return Response(data, status=201, headers={"Location": data["url"]})


class PotentialDetail(APIView):
    @described("potentials", "A potential", PotentialRecord, operation_id="potentials_read")
    def get(self, request: Request, slug: str) -> Response:
        return self._answer(request, self._find(request, slug))

    @described(
        "potentials",
        "Change what is said of your potential",
        PotentialRecord,
        request=PotentialChange,
    )
    def patch(self, request: Request, slug: str) -> Response:
        potential = self._find(request, slug)
        form = PotentialChange(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        fields: dict[str, Any] = dict(form.validated_data)
        if "team" in fields:
            fields["team"] = named_team(user_of(request), fields["team"])
        changed = service.update_potential(signed_in(request), potential, **fields)
        return self._answer(request, changed)

    @described("potentials", "Remove your potential, while it has no version", {204: None})
    def delete(self, request: Request, slug: str) -> Response:
        service.delete_potential(signed_in(request), self._find(request, slug))
        return Response(status=204)

    def _find(self, request: Request, slug: str) -> Potential:
        """Of private ones that the staff see under one slug, their own is meant."""
        potential = one(visible_potentials(request).named(slug), f"potential {slug!r}")
        user = user_of(request)
        if potential.holds_slug or potential.address == slug or user.is_anonymous:
            return potential
        return potential_to_submit_to(user, slug) or potential

    def _answer(self, request: Request, potential: Potential) -> Response:
        return Response(PotentialRecord(potential, context={"request": request}).data)


class SubmissionList(PagedView):
    pagination_class = ByTime
    parser_classes = (BoundedMultiPartParser, BoundedJSONParser)

    @described(
        "submissions",
        "Submissions that you may see",
        SubmissionRecord(many=True),
        parameters=[SubmissionFilter],
        operation_id="submissions_list",
    )
    def get(self, request: Request) -> Response:
        query = read_query(request, SubmissionFilter)
        rows = visible_submissions(request)
        if "potential" in query:
            rows = rows.filter(**of_potential(query["potential"]))
        if query.get("mine"):
            mine = user_of(request)
            rows = (
                rows.none()
                if mine.is_anonymous
                else rows.filter(potentials_of(mine, "potential__"))
            )
        return paged(self, rows, SubmissionRecord)

    @described(
        "submissions",
        "Submit a version of your potential; its evaluations are queued",
        {201: SubmittedRecord, 200: SubmittedRecord},
        request={
            "multipart/form-data": SubmissionRequest,
            "application/json": SubmissionByUpload,
        },
        parameters=[IDEMPOTENCY_KEY],
    )
    def post(self, request: Request) -> Response:
        return once(request, lambda: self._submit(request))

    def _submit(self, request: Request) -> Response:
        is_form = isinstance(request.data, QueryDict)
        form = (SubmissionRequest if is_form else SubmissionByUpload)(data=request.data)
        form.is_valid(raise_exception=True)
        given: dict[str, Any] = dict(form.validated_data)
        if given["card"] is None:
            slug = given["potential"]
            potential_to_submit_to(signed_in(request), slug) or one(
                visible_potentials(request).named(slug), f"potential {slug!r}"
            )
        file = _file(request, given)
        upload = file.pop("upload")
        try:
            outcome = proposals.submit(signed_in(request), _proposal(given | file), upload)
        except AlreadyThereError as error:
            raise _with_address(error, request) from error
        made = {"is_new": outcome.is_new, "queued": [e.pk for e in outcome.queued]}
        row = _submission(request, outcome.submission.pk)
        data = SubmittedRecord(row, context={"request": request, **made}).data
        status = 201 if outcome.is_new else 200
        return Response(data, status=status, headers={"Location": data["url"]})


class SubmissionCheckView(APIView):
    permission_classes = (IsAuthenticated,)

    @described(
        "submissions",
        "Say all that would be refused of a submission, before its file is sent",
        CheckedRecord,
        request=SubmissionCheck,
    )
    def post(self, request: Request) -> Response:
        given, faults = read_loosely(SubmissionCheck(data=request.data))
        card = request.data.get("card") if isinstance(request.data, dict) else None
        if isinstance(card, dict) and "card" not in given:
            given["card"], of_card = read_loosely(PotentialChange(data=card, partial=True))
            faults |= {f"card.{name}": text for name, text in of_card.items()}
        size_bytes = given.pop("size_bytes", 1)
        given = {**_UNTOLD, **given}
        if "content" in given:
            given["content"] = given["content"].encode()
        try:
            prepared = proposals.check(
                signed_in(request), _proposal(given), size_bytes=size_bytes, faults=faults
            )
        except AlreadyThereError as error:
            raise _with_address(error, request) from error
        return Response(CheckedRecord(prepared, context={"request": request}).data)


#: In place of what a check was not told, and complains of.
_UNTOLD = {"potential": "", "version": "", "calculator_kind": "", "filename": "", "sha256": ""}
#: What of a request says which tasks, and whose; the rest describes the version.
_OF_PROPOSAL = ("potential", "card", "benchmark", "tasks")


def _proposal(given: dict[str, Any]) -> proposals.Proposal:
    described = {name: value for name, value in given.items() if name not in _OF_PROPOSAL}
    return proposals.Proposal(
        potential=given["potential"],
        card=given.get("card"),
        benchmark=given.get("benchmark"),
        tasks=given.get("tasks"),
        described=described,
    )


class SubmissionDetail(APIView):
    @described("submissions", "A submission", SubmissionRecord, operation_id="submissions_read")
    def get(self, request: Request, pk: UUID) -> Response:
        return Response(_answer(request, pk))


class SubmissionPublish(APIView):
    permission_classes = (IsAuthenticated,)

    @described(
        "submissions",
        "Show your private submission to everybody, and rank it",
        SubmissionRecord,
        request=None,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        submission = one(visible_submissions(request), f"submission {pk}", pk=pk)
        service.publish(signed_in(request), submission)
        return Response(_answer(request, pk))


class SubmissionWithdraw(APIView):
    permission_classes = (IsAuthenticated,)

    @described(
        "submissions",
        "Take your submission off the boards",
        SubmissionRecord,
        request=None,
    )
    def post(self, request: Request, pk: UUID) -> Response:
        submission = one(visible_submissions(request), f"submission {pk}", pk=pk)
        service.withdraw(signed_in(request), submission)
        return Response(_answer(request, pk))


def _file(request: Request, given: dict[str, Any]) -> dict[str, Any]:
    """The file itself, or what came of the upload that is named."""
    if "artifact" in given:
        file = given.pop("artifact")
        if file.size > settings.MAX_ARTIFACT_BYTES:
            raise TooLarge(f"At most {settings.MAX_ARTIFACT_BYTES / 2**20:g} MiB are accepted.")
        return {"upload": file, "filename": file.name}
    upload = own_uploads(request).select_related("artifact").filter(pk=given.pop("upload")).first()
    if upload is None:
        raise SubmissionError({"upload": "You have no such upload; it may have expired."})
    if upload.artifact is None:
        raise ConflictError({"upload": "It is not complete: POST to its address complete/."})
    if check_sha256(given.get("sha256") or upload.sha256) != upload.sha256:
        raise SubmissionError({"sha256": f"The upload has the SHA-256 {upload.sha256}."})
    return {"upload": upload.artifact, "filename": upload.filename, "sha256": upload.sha256}


def _submission(request: Request, pk: UUID) -> Submission:
    return one(visible_submissions(request), f"submission {pk}", pk=pk)


def _answer(request: Request, pk: UUID) -> dict[str, Any]:
    data: dict[str, Any] = SubmissionRecord(
        _submission(request, pk), context={"request": request}
    ).data
    return data


def _with_address(error: AlreadyThereError, request: Request) -> AlreadyThereError:
    """Add the address of the submission that is there already, as the member ``existing``."""
    address = reverse("api:submission", kwargs={"pk": error.submission_id}, request=request)
    error.members = {"existing": address}  # type: ignore[attr-defined]
    return error
