"""Uploads in parts."""

from __future__ import annotations

from rest_framework import serializers
from rest_framework.reverse import reverse

from leaderboard.api.serializers.fields import Link, Record, StrictRequest
from leaderboard.models import Upload
from leaderboard.models.upload import PART_BYTES


class PartRecord(Record):
    number = serializers.IntegerField(help_text="1, 2, 3, ...")
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField()


class UploadRecord(Record):
    id = serializers.UUIDField()
    url = Link("upload")
    filename = serializers.CharField(help_text="Cleaned; its ending tells the format.")
    size_bytes = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of the whole file.")
    part_size_bytes = serializers.SerializerMethodField(
        help_text="Length of every part but the last."
    )
    n_parts = serializers.IntegerField()
    parts_url = serializers.SerializerMethodField(
        help_text="PUT part n to this address with {n} replaced."
    )
    is_complete = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(help_text="Each part moves it on.")
    parts = PartRecord(many=True, help_text="What has arrived; empty again once it is complete.")

    def get_part_size_bytes(self, upload: Upload) -> int:
        return PART_BYTES

    def get_parts_url(self, upload: Upload) -> str:
        keys = {"pk": upload.pk, "number": 1}
        address = reverse("api:upload-part", kwargs=keys, request=self.context["request"])
        return str(address).removesuffix("1/") + "{n}/"

    def get_is_complete(self, upload: Upload) -> bool:
        return upload.completed_at is not None


class UploadRequest(StrictRequest):
    """What is going to be uploaded."""

    filename = serializers.CharField(max_length=255, help_text="E.g. my.model.")
    size_bytes = serializers.IntegerField(
        min_value=1, max_value=2**62, help_text="Of the whole file."
    )
    sha256 = serializers.CharField(
        max_length=128, help_text="Of the whole file, 64 hexadecimal digits."
    )
