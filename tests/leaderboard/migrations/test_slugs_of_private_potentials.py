"""Potentials of the previous release, and those that it registers and publishes meanwhile."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from leaderboard import migrations, models
from leaderboard.enums import Visibility
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db

#: Whatever its number.
(_NAME,) = (
    path.stem
    for path in Path(migrations.__file__ or "").parent.glob("*_slugs_of_private_potentials.py")
)


def test_what_was_ever_public_holds_its_slug_after_the_upgrade() -> None:
    public = factories.submission(factories.potential(slug="public")).potential
    withdrawn = factories.submission(factories.potential(slug="withdrawn")).potential
    withdrawn.submissions.update(withdrawn_at="2026-01-01T00:00Z")
    factories.submission(factories.potential(slug="private"), visibility=Visibility.PRIVATE)
    factories.potential(slug="empty")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE leaderboard_potential SET holds_slug = false")
        cursor.execute(import_module(f"leaderboard.migrations.{_NAME}").FILL)
    held = models.Potential.objects.filter(holds_slug=True)
    assert set(held) == {public, withdrawn}
    assert {row.address for row in held} == {"public", "withdrawn"}
    others = models.Potential.objects.filter(holds_slug=False)
    assert {row.address for row in others} == {f"{row.slug}~{row.tail}" for row in others}


def test_what_the_previous_release_registers_and_publishes_is_as_ours() -> None:
    model = factories.potential(slug="model")
    columns = [
        field.column
        for field in models.Potential._meta.local_fields
        if field.name not in {"id", "slug", "holds_slug", "tail", "address"}
    ]
    names = ", ".join(columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO leaderboard_potential (slug, {names})"
            f" SELECT 'other', {names} FROM leaderboard_potential WHERE id = %s",
            [model.pk],
        )
    other = models.Potential.objects.get(slug="other")
    assert other.address == f"other~{other.tail}"
    assert len(other.tail) == 8
    version = factories.submission(other, visibility=Visibility.PRIVATE)
    models.Submission.objects.filter(pk=version.pk).update(visibility=Visibility.PUBLIC)
    other.refresh_from_db()
    assert other.address == "other"


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_table_with_rows_is_migrated_there_and_back() -> None:
    """PostgreSQL refuses what it lets through where a table is empty."""
    factories.submission(factories.potential(slug="public"))
    factories.submission(factories.potential(slug="private"), visibility=Visibility.PRIVATE)
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("leaderboard")
    before = import_module(f"leaderboard.migrations.{_NAME}").Migration.dependencies[0]
    MigrationExecutor(connection).migrate([before])
    MigrationExecutor(connection).migrate(newest)
    held = dict(models.Potential.objects.values_list("slug", "holds_slug"))
    assert held == {"public": True, "private": False}
