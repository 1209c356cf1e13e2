"""Energies of one task against stresses of another."""

from __future__ import annotations

from rest_framework import serializers

from leaderboard.api.serializers.fields import Link, Record


class SharedCrystalRecord(Record):
    crystal = serializers.CharField(help_text="Formula.")
    volume_per_atom_A3 = serializers.FloatField(help_text="At which the stress is known.")
    bulk_modulus_GPa = serializers.FloatField(help_text="From the equation of state.")
    energy_pressure_GPa = serializers.FloatField(help_text="From the equation of state.")
    stress_pressure_GPa = serializers.FloatField(
        help_text="From the stress; zero where the crystal was relaxed by it."
    )
    difference_percent = serializers.FloatField(
        help_text="Of the two pressures over the bulk modulus: a share of the volume."
    )
    energies = Link("evaluation", source=None, help_text="The evaluation with the energies.")
    stresses = Link("evaluation", source=None, help_text="That with the stress.")


class AgreementRecord(Record):
    n_crystals = serializers.IntegerField(help_text="That several of its tasks have.")
    median_percent = serializers.FloatField(
        allow_null=True, help_text="Of the differences; null where no tasks share a crystal."
    )
    tolerance_percent = serializers.FloatField(help_text="Beyond which the median is a doubt.")
    doubt = serializers.CharField(
        help_text="A sentence where energies and stresses do not belong together; else empty."
    )
    crystals = SharedCrystalRecord(many=True, help_text="The largest difference first.")
