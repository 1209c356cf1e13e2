"""Potentials and submissions."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from leaderboard.api.serializers.evaluations import EvaluationBrief
from leaderboard.api.serializers.fields import (
    ElementsText,
    JSONObject,
    JSONObjectText,
    Link,
    PotentialLink,
    Record,
    StrictRequest,
)
from leaderboard.enums import Visibility
from leaderboard.models import Potential, Submission
from leaderboard.services.submissions import POTENTIAL_FIELDS

_DESCRIBED = (*POTENTIAL_FIELDS, "is_baseline")


class PotentialRecord(serializers.ModelSerializer[Potential]):
    url = Link("potential", "slug")
    page = serializers.URLField(source="get_absolute_url", read_only=True)
    owner = serializers.CharField(source="owner.username", read_only=True)

    class Meta:
        model = Potential
        fields = ("slug", "url", "page", "owner", *_DESCRIBED, "created_at")
        read_only_fields = fields


class PotentialRequest(StrictRequest, serializers.ModelSerializer[Potential]):
    """A new potential. Only the staff may mark a baseline."""

    class Meta:
        model = Potential
        fields = ("slug", *_DESCRIBED)
        # The service answers 409 to a slug that is taken.
        extra_kwargs: ClassVar[dict[str, Any]] = {"slug": {"validators": []}}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        # An absent boolean is not a wish to unset it.
        if "is_baseline" not in self.initial_data:
            attrs.pop("is_baseline", None)
        return attrs


class PotentialChange(PotentialRequest):
    """What may change of a potential; its slug stands in addresses and cannot."""

    class Meta(PotentialRequest.Meta):
        fields = _DESCRIBED  # type: ignore[assignment]
        extra_kwargs: ClassVar[dict[str, Any]] = {}


class ArtifactRecord(Record):
    sha256 = serializers.CharField(source="artifact.sha256")
    size_bytes = serializers.IntegerField(source="artifact.size_bytes")
    filename = serializers.CharField(source="artifact_filename")


class SubmissionRecord(serializers.ModelSerializer[Submission]):
    url = Link("submission")
    page = serializers.URLField(source="get_absolute_url", read_only=True)
    potential = PotentialLink(read_only=True)
    artifact = ArtifactRecord(source="*", read_only=True)
    settings = JSONObject(read_only=True)
    submitted_by = serializers.CharField(source="submitted_by.username", read_only=True)
    evaluations = EvaluationBrief(many=True, read_only=True, help_text="The current ones, by task.")

    class Meta:
        model = Submission
        fields = (
            "id",
            "url",
            "page",
            "potential",
            "version",
            "artifact",
            "calculator_kind",
            "settings",
            "supported_elements",
            "declares_non_conservative",
            "visibility",
            "submitted_by",
            "created_at",
            "withdrawn_at",
            "evaluations",
        )
        read_only_fields = fields


class SubmissionRequest(StrictRequest):
    """A multipart form."""

    potential = serializers.CharField(max_length=64, help_text="Slug of your potential.")
    version = serializers.CharField(max_length=64, help_text="The authors' name of it: 0.3.0.")
    calculator_kind = serializers.CharField(
        max_length=32, help_text="Which adapter loads the file; GET /api/v1/calculators/."
    )
    sha256 = serializers.CharField(
        max_length=128, help_text="Of the file, 64 hexadecimal digits as sha256sum prints them."
    )
    settings = JSONObjectText(
        required=False, default=dict, help_text="Of the adapter, as the text of a JSON object."
    )
    supported_elements = ElementsText(
        required=False,
        default=None,
        help_text='Chemical symbols, ["Si", "O"] or Si,O. Left out: the checkpoint tells.',
    )
    declares_non_conservative = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Its forces are not meant to be the gradient of its energy.",
    )
    visibility = serializers.ChoiceField(
        choices=Visibility.choices,
        required=False,
        default=Visibility.PUBLIC,
        help_text="Private ones are seen by you and the staff alone, and are not ranked.",
    )
    artifact = serializers.FileField(
        allow_empty_file=True,  # the service says what to do about one
        error_messages={"required": "Send the file itself in the form field 'artifact'."},
        help_text="The file.",
    )
