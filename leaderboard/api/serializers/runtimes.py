"""The environments in which calculators run."""

from __future__ import annotations

from rest_framework import serializers

from leaderboard.api.serializers.fields import Link, Record, SubmissionLink


class RuntimeRecord(Record):
    name = serializers.CharField(help_text="In addresses and provenance.")
    url = Link("runtime", "name")
    page = serializers.CharField(source="get_absolute_url")
    label = serializers.CharField()  # type: ignore[assignment]
    kinds = serializers.ListField(
        child=serializers.CharField(), help_text="Calculator kinds that run in it."
    )
    python = serializers.CharField(help_text="A range of versions, or the one it was built for.")
    is_open = serializers.BooleanField(help_text="Whether new submissions may run in it.")
    is_brought = serializers.BooleanField(help_text="Whether a submission brought its lock.")
    lock_sha256 = serializers.CharField(help_text="Of what its lock says, without comments.")
    state = serializers.CharField(help_text="Of brought ones: what has become of it.")
    message = serializers.CharField(help_text="Of brought ones: why there is none.")
    digest = serializers.CharField(help_text="Of brought ones: of the last build.")
    n_packages = serializers.IntegerField(help_text="Packages that it holds.")


class RuntimeOfferRecord(Record):
    device = serializers.CharField(help_text="cpu, cuda or cuda:N.")
    state = serializers.CharField(help_text="ready, building, absent or faulty.")
    digest = serializers.CharField(help_text="Of what is built; empty before.")
    python = serializers.CharField()
    n_answers = serializers.IntegerField(
        allow_null=True, help_text="Known answers that it was asked for after its build."
    )
    largest_energy_error_eV_per_atom = serializers.FloatField(
        allow_null=True, help_text="Of its answers, from those that are known."
    )
    largest_force_error_eV_per_A = serializers.FloatField(allow_null=True)
    message = serializers.CharField(help_text="Why it is not offered.")


class RuntimeUserRecord(Record):
    submission = SubmissionLink()
    digest = serializers.CharField(help_text="Of the runtime in which it was evaluated.")
    n_evaluations = serializers.IntegerField(help_text="Current ones of it.")


class RuntimeDetailRecord(RuntimeRecord):
    packages = serializers.DictField(
        child=serializers.CharField(), help_text="Versions by package."
    )
    n_bytes = serializers.IntegerField(allow_null=True, help_text="What its files take.")
    build_time_s = serializers.FloatField(allow_null=True)
    built_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="Of brought ones: when an evaluation last began in it."
    )
    offers = RuntimeOfferRecord(
        many=True, help_text="Of those that ship: what each worker that lives says of it."
    )
    used_by = RuntimeUserRecord(many=True, help_text="Submissions that ran in it.")
    log = serializers.CharField(
        help_text="Of its last build; empty for whoever may not see what is private of it."
    )
