"""Potentials and submissions."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evaluator.json_artifacts import MOST_BYTES
from leaderboard.api.serializers.evaluations import EvaluationBrief
from leaderboard.api.serializers.fields import (
    JSONObject,
    JSONObjectText,
    Link,
    ListText,
    PlainObject,
    PotentialLink,
    Record,
    StrictRequest,
    read_json,
)
from leaderboard.enums import Visibility
from leaderboard.models import Potential, RuntimeLock, Submission
from leaderboard.services.submissions.preparation import Prepared
from leaderboard.services.submissions.submissions import POTENTIAL_FIELDS

_LONGEST_LOCK = 1 << 20
_DESCRIBED = (*POTENTIAL_FIELDS, "is_baseline")


class PotentialRecord(serializers.ModelSerializer[Potential]):
    # Addresses in requests; in answers also empty texts.
    paper_url = serializers.CharField(read_only=True, help_text="The paper that describes it.")
    code_url = serializers.CharField(read_only=True, help_text="Where its code is.")
    url = Link("potential", "address", lookup_url_kwarg="slug")
    page = serializers.CharField(source="get_absolute_url", read_only=True)
    address = serializers.CharField(
        read_only=True,
        help_text="Name in addresses and requests: the slug, with a tail until a version of it "
        "was public. The one with the tail stays good.",
    )
    owner = serializers.CharField(
        source="owner.username", read_only=True, help_text="Who registered it."
    )
    team = serializers.CharField(
        source="team.slug",
        read_only=True,
        default=None,
        allow_null=True,
        help_text="Slug of the team that owns it; null where the owner does alone.",
    )

    class Meta:
        model = Potential
        fields = ("slug", "address", "url", "page", "owner", "team", *_DESCRIBED, "created_at")
        read_only_fields = fields


class PotentialRequest(StrictRequest, serializers.ModelSerializer[Potential]):
    """A new potential. Only the staff may mark a baseline."""

    team = serializers.RegexField(
        r"^[a-z0-9]+(?:[.-][a-z0-9]+)*\Z",
        required=False,
        allow_null=True,
        max_length=64,
        help_text="Slug of the team that is to own it; null for yourself.",
    )

    class Meta:
        model = Potential
        fields = ("slug", "team", *_DESCRIBED)
        # The service answers 409 to a slug that a public potential has, or another of one's own.
        extra_kwargs: ClassVar[dict[str, Any]] = {"slug": {"validators": []}}
        validators: ClassVar[list[Any]] = []

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        # An absent boolean is not a wish to unset it.
        if "is_baseline" not in self.initial_data:
            attrs.pop("is_baseline", None)
        return attrs


class PotentialChange(PotentialRequest):
    """What may change of a potential; its slug only until a version of it was public."""


@extend_schema_field(PotentialChange(partial=True))
class Card(serializers.Field[dict[str, Any], object, Any, Any]):
    """What is said of a potential beside its slug, any part of it."""

    def to_internal_value(self, data: object) -> dict[str, Any]:
        if not isinstance(data, dict):
            sentence = 'must be a JSON object, e.g. {"name": "My potential"}.'
            raise serializers.ValidationError(sentence)
        form = PotentialChange(data=data, partial=True)
        form.is_valid(raise_exception=True)
        return dict(form.validated_data)

    def to_representation(self, value: Any) -> Any:  # noqa: ANN401
        return value


@extend_schema_field(OpenApiTypes.STR)
class CardText(Card):
    """The same as the text of a form field."""

    def to_internal_value(self, data: object) -> dict[str, Any]:
        return super().to_internal_value(read_json(str(data)))


class ArtifactRecord(Record):
    sha256 = serializers.CharField(source="artifact.sha256")
    size_bytes = serializers.IntegerField(source="artifact.size_bytes")
    filename = serializers.CharField(source="artifact_filename")


class RuntimeBuild(serializers.ModelSerializer[RuntimeLock]):
    name = serializers.CharField(read_only=True, help_text="In addresses and provenance.")
    url = Link("runtime", "name", lookup_url_kwarg="name")
    page = serializers.CharField(source="get_absolute_url", read_only=True)
    lock_sha256 = serializers.CharField(
        source="sha256", read_only=True, help_text="Of what the lock says, without its comments."
    )

    class Meta:
        model = RuntimeLock
        fields = ("name", "url", "page", "state", "message", "digest", "lock_sha256")
        read_only_fields = fields


class SubmissionRecord(serializers.ModelSerializer[Submission]):
    url = Link("submission")
    page = serializers.CharField(source="get_absolute_url", read_only=True)
    potential = PotentialLink(read_only=True)
    artifact = ArtifactRecord(source="*", read_only=True)
    settings = JSONObject(read_only=True)
    runtime = RuntimeBuild(
        source="runtime_lock",
        read_only=True,
        allow_null=True,
        help_text="Of the lock that it brings; null where it runs in the runtime of its kind.",
    )
    submitted_by = serializers.CharField(source="submitted_by.username", read_only=True)
    evaluations = EvaluationBrief(many=True, read_only=True, help_text="The current ones, by task.")

    class Meta:
        model = Submission
        fields: tuple[str, ...] = (
            "id",
            "url",
            "page",
            "potential",
            "version",
            "artifact",
            "calculator_kind",
            "settings",
            "runtime",
            "supported_elements",
            "declares_non_conservative",
            "visibility",
            "submitted_by",
            "created_at",
            "published_at",
            "withdrawn_at",
            "evaluations",
        )
        read_only_fields = fields


class SubmittedRecord(SubmissionRecord):
    """The submission, and what this request made of it."""

    is_new = serializers.SerializerMethodField(
        help_text="False where this version was there already, and nothing of it differed."
    )
    queued = serializers.SerializerMethodField(
        help_text="Ids of the evaluations that this request has queued."
    )

    class Meta(SubmissionRecord.Meta):
        fields = (*SubmissionRecord.Meta.fields, "is_new", "queued")
        read_only_fields = fields

    def get_is_new(self, row: Submission) -> bool:
        return bool(self.context["is_new"])

    def get_queued(self, row: Submission) -> list[UUID]:
        return list(self.context["queued"])


class CheckedRecord(Record):
    """What would become of a submission; nothing was changed."""

    existing = Link(
        "submission",
        source="same",
        allow_null=True,
        help_text="The submission that is there with this version, file and description.",
    )
    registers_potential = serializers.SerializerMethodField(
        help_text="Whether the potential is new, and would be registered with it."
    )
    tasks = serializers.SerializerMethodField(
        help_text="Slugs of the tasks that it would be queued for, the smoke task among them."
    )

    def get_registers_potential(self, prepared: Prepared) -> bool:
        return prepared.submission.potential.pk is None

    def get_tasks(self, prepared: Prepared) -> list[str]:
        return sorted(version.task.slug for version in prepared.missing(prepared.same))


@extend_schema_field(OpenApiTypes.STR)
class LockText(serializers.CharField):
    """A text, or a file of a form with it."""

    def to_internal_value(self, data: object) -> str:
        if isinstance(data, UploadedFile):
            if (data.size or 0) > _LONGEST_LOCK:
                raise serializers.ValidationError("The lock is too long.")
            try:
                return super().to_internal_value(data.read().decode())
            except UnicodeDecodeError:
                sentence = "The lock is no text. Write it with: uv pip compile --generate-hashes"
                raise serializers.ValidationError(sentence) from None
        return super().to_internal_value(data)  # type: ignore[arg-type]


class _SubmissionFields(StrictRequest):
    potential = serializers.CharField(
        max_length=73, help_text="Slug of your potential, or its address."
    )
    version = serializers.CharField(max_length=64, help_text="The authors' name of it: 0.3.0.")
    calculator_kind = serializers.CharField(
        max_length=32, help_text="Which adapter loads the file; GET /api/v1/calculators/."
    )
    declares_non_conservative = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Its forces are not meant to be the gradient of its energy.",
    )
    visibility = serializers.ChoiceField(
        choices=Visibility.choices,
        required=False,
        help_text="Private ones are seen by you and the staff alone, and are not ranked until you "
        "publish them. Left out, a new one is public.",
    )
    benchmark = serializers.CharField(
        max_length=64, required=False, help_text="Slug; its tasks are run. The site's by default."
    )
    lock = LockText(
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        max_length=_LONGEST_LOCK,
        help_text="Of the kind package alone: every package that it runs with, by version and "
        "hash, as uv pip compile --generate-hashes writes it. In a form, a text or a file.",
    )


class SubmissionRequest(_SubmissionFields):
    """A multipart form."""

    sha256 = serializers.CharField(
        max_length=128,
        required=False,
        help_text="Of the file, 64 hexadecimal digits as sha256sum prints them. May be left out "
        "with an upload, which has told it.",
    )
    card = CardText(
        required=False,
        default=None,
        help_text="What is said of the potential, as the text of a JSON object: see JSON's.",
    )
    settings = JSONObjectText(
        required=False, default=dict, help_text="Of the adapter, as the text of a JSON object."
    )
    supported_elements = ListText(
        required=False,
        default=None,
        help_text='Chemical symbols, ["Si", "O"] or Si,O. Left out: the checkpoint tells.',
    )
    tasks = ListText(
        required=False, default=None, help_text="Slugs of single tasks, instead of a benchmark."
    )
    upload = serializers.UUIDField(
        required=False, help_text="Id of a complete upload in parts, instead of the file."
    )
    artifact = serializers.FileField(
        required=False,
        allow_empty_file=True,  # the service says what to do about one
        help_text="The file.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if ("artifact" in attrs) == ("upload" in attrs):
            sentence = "Send the file itself in the form field 'artifact', or name an 'upload'."
            raise serializers.ValidationError({"artifact": sentence})
        if "artifact" in attrs and "sha256" not in attrs:
            raise serializers.ValidationError({"sha256": "This field is required."})
        return attrs


_CARD_HELP = (
    "What is said of the potential. A new one is registered with it and its first version, both "
    "or neither; of one that is there it must say what its card says."
)


class _JSONFields(_SubmissionFields):
    card = Card(required=False, default=None, help_text=_CARD_HELP)
    settings = PlainObject(required=False, default=dict, help_text="Of the adapter.")
    supported_elements = serializers.ListField(
        child=serializers.CharField(max_length=8),
        max_length=200,
        required=False,
        allow_null=True,
        default=None,
        help_text="Chemical symbols. Left out: the checkpoint tells.",
    )
    tasks = serializers.ListField(
        child=serializers.CharField(max_length=64),
        max_length=200,
        required=False,
        allow_null=True,
        default=None,
        help_text="Slugs of single tasks, instead of a benchmark.",
    )


class SubmissionByUpload(_JSONFields):
    """What is submitted was uploaded in parts."""

    upload = serializers.UUIDField(help_text="Id of a complete upload.")


class SubmissionCheck(_JSONFields):
    """What somebody is going to submit, without the file."""

    filename = serializers.CharField(max_length=255, help_text="E.g. my.model.")
    size_bytes = serializers.IntegerField(
        min_value=0, max_value=2**62, help_text="Of the whole file."
    )
    sha256 = serializers.CharField(
        max_length=128, help_text="Of the whole file, 64 hexadecimal digits."
    )
    content = serializers.CharField(
        required=False,
        trim_whitespace=False,
        max_length=MOST_BYTES,
        help_text="The text of the file where its kind is a JSON file: what it says is checked, "
        "too.",
    )
