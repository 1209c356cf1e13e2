"""What all tests share beside the plugins named in pyproject.toml."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import TransactionTestCase

from tests.emptied_tables import empty_tables
from tests.kept_schema import keep_schema


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The test's database, whose tables are kept for the next session."""
    name = str(settings.DATABASES["default"]["NAME"])
    keep_schema(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        yield
