"""Clients of the cast: alice owns things, bob is a stranger with an account, charlie is staff."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.enums import TokenScope
from tests.leaderboard import factories
from tests.leaderboard.stored_files import keep_files_in

EMT = b'{"calculator": "emt"}'


def client_of(user: User) -> APIClient:
    _, text = models.ApiToken.create(user, "for a test", scopes=list(TokenScope))
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


@pytest.fixture(autouse=True)
def _nothing_is_left_over(settings: Any, tmp_path: Path) -> Iterator[None]:
    """No test counts another's requests, or finds another's files."""
    cache.clear()
    keep_files_in(settings, tmp_path)
    yield
    cache.clear()


@pytest.fixture
def alice(db: None) -> APIClient:
    return client_of(factories.user("alice"))


@pytest.fixture
def bob(db: None) -> APIClient:
    return client_of(factories.user("bob"))


@pytest.fixture
def charlie(db: None) -> APIClient:
    return client_of(factories.charlie())


@pytest.fixture
def stranger(db: None) -> APIClient:
    """Nobody: a client without an account."""
    return APIClient()


Form = Callable[..., dict[str, Any]]


def form(potential: str, content: bytes = EMT, name: str = "emt.json", **fields: Any) -> Any:
    """What a good submission sends; a field given as None is left out."""
    whole = {
        "potential": potential,
        "version": "1.0",
        "calculator_kind": "ase",
        "sha256": hashlib.sha256(content).hexdigest(),
        "artifact": SimpleUploadedFile(name, content),
        **fields,
    }
    return {key: value for key, value in whole.items() if value is not None}
