"""Bundles over the API: for administrators whose benchmark is kept in git, and of public tasks."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpResponse, QueryDict
from django.utils.cache import get_conditional_response
from drf_spectacular.types import OpenApiTypes
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from leaderboard.api.parsers import BoundedMultiPartParser
from leaderboard.api.query import NoFilter, VersionFilter, read_query
from leaderboard.api.serializers.bundles import (
    BundleQuery,
    BundleRecord,
    BundleUpload,
    ImportRecord,
)
from leaderboard.api.views.base import described, one, signed_in
from leaderboard.api.views.output_files import WhateverIsAccepted
from leaderboard.api.views.tasks import find_task_version
from leaderboard.enums import TokenScope
from leaderboard.models import ReferenceSet
from leaderboard.services.definitions.bundle_export import (
    Exported,
    export_bundle,
    export_task_version,
)
from leaderboard.services.definitions.bundles import Beside, import_bundle
from leaderboard.services.definitions.own_machine import (
    given_references,
    why_its_file_is_not_given,
    why_not_given,
)
from leaderboard.services.definitions.tasks import reference_path


class KeepsTasks(BasePermission):
    """Who may define tasks in the admin; a token needs the scope admin as well."""

    message = "Bundles are for administrators who may change tasks, with a token of scope admin."

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed = ("add_referenceset", "change_taskversion", "change_benchmarkversion")
        return bool(request.user.is_staff) and request.user.has_perms(
            [f"leaderboard.{name}" for name in needed]
        )


class BundleView(APIView):
    permission_classes = (KeepsTasks,)
    parser_classes = (BoundedMultiPartParser,)
    token_scope = TokenScope.ADMIN

    @described(
        "administration",
        "Reference sets, tasks and benchmarks as YAML, and the files beside it",
        BundleRecord,
        parameters=[BundleQuery],
        operation_id="bundle_export",
    )
    def get(self, request: Request) -> Response:
        query = read_query(request, BundleQuery)
        exported = export_bundle(
            tasks=_slugs(query.get("tasks", "")),
            benchmarks=_slugs(query.get("benchmarks", "")),
            drafts=query["drafts"],
        )
        return Response(_record(exported))

    @described(
        "administration",
        "Bring tasks, reference sets and benchmarks up to a bundle: all of it, or nothing",
        ImportRecord,
        request={"multipart/form-data": BundleUpload},
        operation_id="bundle_import",
    )
    def post(self, request: Request) -> Response:
        form = BundleUpload(data=_form(request))
        form.is_valid(raise_exception=True)
        with tempfile.TemporaryDirectory(prefix="touchstone-bundle-") as folder:
            for file in form.validated_data.get("file", ()):
                # The parser has taken off folders; a hidden name cannot be named in a bundle.
                with Path(folder, PurePosixPath(file.name).name).open("wb") as copy:
                    copy.writelines(file.chunks())
            beside = Beside(folder=Path(folder), time_s=settings.REFERENCE_CHECK_S)
            done = import_bundle(
                form.validated_data["bundle"],
                beside,
                signed_in(request),
                is_trial=form.validated_data["dry_run"],
                fills=form.validated_data["backfill"],
            )
        return Response(ImportRecord(done).data)


class BundleFileView(APIView):
    permission_classes = (KeepsTasks,)
    content_negotiation_class = WhateverIsAccepted

    @described(
        "administration",
        "The canonical file of a reference set",
        {(200, "application/octet-stream"): OpenApiTypes.BINARY},
        operation_id="bundle_file",
    )
    def get(self, request: Request, sha256: str) -> FileResponse:
        row = one(ReferenceSet.objects.all(), f"reference set {sha256}", sha256=sha256)
        response = _file_of(row)
        response["Cache-Control"] = "private, no-store"
        return response


class TaskBundle(APIView):
    """What another machine needs to run a task. Of a hidden set: nothing, whoever asks."""

    @described(
        "tasks",
        "A task version as YAML with the file that it needs, to run it on another machine",
        BundleRecord,
        parameters=[VersionFilter],
        operation_id="tasks_bundle",
    )
    def get(self, request: Request, slug: str) -> Response:
        version = find_task_version(request, slug)
        why_not = why_not_given(version)
        if why_not:
            raise PermissionDenied(why_not)
        return Response(_record(export_task_version(version)))


class ReferenceFile(APIView):
    content_negotiation_class = WhateverIsAccepted

    @described(
        "tasks",
        "The file of a public reference set of a published task, by its SHA-256",
        {(200, "application/octet-stream"): OpenApiTypes.BINARY},
        operation_id="reference_file",
    )
    def get(self, request: Request, sha256: str) -> HttpResponse | FileResponse:
        read_query(request, NoFilter)
        row = one(given_references(), f"reference set {sha256}", sha256=sha256)
        why_not = why_its_file_is_not_given(row)
        if why_not:
            raise PermissionDenied(why_not)
        etag = f'"{row.sha256}"'
        response: HttpResponse | FileResponse | None
        response = get_conditional_response(request._request, etag=etag)
        if response is None:
            response = _file_of(row)
            response["ETag"] = etag
        # Not for ever: a set that is hidden later is asked for again.
        response["Cache-Control"] = "no-cache"
        return response


def _file_of(row: ReferenceSet) -> FileResponse:
    response = FileResponse(
        reference_path(row).open("rb"),
        as_attachment=True,
        filename=f"{row.slug}-{row.version}.extxyz",
        content_type="application/octet-stream",
    )
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _record(exported: Exported) -> dict[str, Any]:
    files = [
        {
            "name": name,
            "sha256": row.sha256,
            "size_bytes": row.size_bytes,
            "is_public": row.is_public,
        }
        for name, row in exported.files.items()
    ]
    return dict(BundleRecord({"bundle": exported.text, "files": files}).data)


def _slugs(text: str) -> list[str]:
    return [slug.strip() for slug in text.split(",") if slug.strip()]


def _form(request: Request) -> dict[str, object]:
    data = request.data
    if not isinstance(data, QueryDict):
        raise ValidationError("Send the bundle as multipart/form-data.")
    options = ("dry_run", "backfill")
    unknown = sorted(set(data) - {"bundle", "file", *options})
    if unknown:
        raise ValidationError(dict.fromkeys(unknown, "is unknown."))
    fields: dict[str, object] = {"bundle": data.get("bundle", "")}
    fields |= {name: data[name] for name in options if name in data}
    files = [file for file in data.getlist("file") if not isinstance(file, str)]
    return fields | ({"file": files} if files else {})
