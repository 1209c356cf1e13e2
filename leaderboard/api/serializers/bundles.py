"""Bundles: reference sets, tasks and benchmarks as YAML."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class BundleQuery(serializers.Serializer[Any]):
    tasks = serializers.CharField(
        required=False, max_length=2000, help_text="Only these tasks: slugs with commas."
    )
    benchmarks = serializers.CharField(
        required=False, max_length=2000, help_text="Only these benchmarks, with their tasks."
    )
    drafts = serializers.BooleanField(required=False, default=False, help_text="Drafts as well.")


class BundleFile(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Beside the bundle.")
    sha256 = serializers.CharField(help_text="Of its bytes; names it in the address.")
    size_bytes = serializers.IntegerField(help_text="Length.")
    is_public = serializers.BooleanField(help_text="Whether its values stand on pages.")


class BundleRecord(serializers.Serializer[Any]):
    bundle = serializers.CharField(help_text="YAML.")
    files = BundleFile(many=True, help_text="Files that belong beside it.")


class BundleUpload(serializers.Serializer[Any]):
    bundle = serializers.CharField(trim_whitespace=False, help_text="YAML.")
    file = serializers.ListField(
        child=serializers.FileField(),
        required=False,
        max_length=100,
        help_text="Files that the bundle names, under their names.",
    )
    dry_run = serializers.BooleanField(
        required=False, default=False, help_text="Say what would be done, and change nothing."
    )
    backfill = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Then evaluate every submission on what was published.",
    )


class ImportRecord(serializers.Serializer[Any]):
    lines = serializers.ListField(
        child=serializers.CharField(), help_text="What was done, in the order of the bundle."
    )
    n_changed = serializers.IntegerField(help_text="How much of it was a change.")
    n_queued = serializers.IntegerField(
        help_text="Evaluations queued by a back-fill; of a dry run, how many it would be."
    )
