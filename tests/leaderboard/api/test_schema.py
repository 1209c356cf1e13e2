"""The description of the API: complete, without warnings, and committed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

from leaderboard.api.urls import urlpatterns

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("schema") / "openapi.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", file=str(path))
    return path.read_text()


@pytest.mark.slow
def test_the_committed_schema_is_what_the_code_says(schema: str) -> None:
    committed = (ROOT / "deploy/openapi.yaml").read_text()
    assert schema == committed, (
        "Write it anew: python manage.py spectacular --validate --fail-on-warn "
        "--file deploy/openapi.yaml"
    )


@pytest.mark.slow
def test_every_operation_is_described_with_its_problems(schema: str) -> None:
    paths = yaml.safe_load(schema)["paths"]
    undescribed = {"schema", "docs", "redoc", "nowhere", "signed-in"}
    assert len(paths) == len([p for p in urlpatterns if p.name not in undescribed])
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert operation["summary"], (path, method)
            assert "application/problem+json" in operation["responses"]["default"]["content"]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)  # a closed file closes the connection
def test_the_schema_and_its_page_are_served_from_this_host_alone(stranger: APIClient) -> None:
    assert stranger.get("/api/v1/schema/").status_code == 200
    page = stranger.get("/api/v1/docs/")
    text = page.content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(addresses) >= 4
    assert all(a.startswith("/") and not a.startswith("//") for a in addresses)
    # The content security policy allows no script within the page.
    assert not re.search(r"<script>", text)
    assert "script-src 'self';" in page.headers["Content-Security-Policy"]
    for address in addresses:
        found = stranger.get(address.replace("&amp;", "&"))
        assert found.status_code == 200, address
        found.close()
