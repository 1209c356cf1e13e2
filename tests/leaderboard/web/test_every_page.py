"""Every page renders, for strangers and owners, within a constant number of queries."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.leaderboard import factories
from tests.leaderboard.gallery import Site, build_site

pytestmark = pytest.mark.django_db


@pytest.fixture
def site() -> Site:
    return build_site()


def addresses(site: Site) -> list[str]:
    submission = site.submissions["chgnet:0.3.0"]
    failing = site.submissions["tensornet:2025.1"]
    evaluations = [*submission.evaluations.all(), *failing.evaluations.all()]
    return [
        "/",
        "/?sort=name",
        "/?sort=eos-wien2k&weight.Forces=0",
        "/benchmarks/core/1/",
        "/tasks/",
        "/tasks/eos-wien2k/",
        "/tasks/eos-wien2k/1/",
        "/tasks/forces-offequilibrium/?plot=energy_per_atom_eV&show=chgnet:0.3.0",
        "/potentials/",
        "/potentials/chgnet/",
        "/potentials/tensornet/",
        submission.get_absolute_url(),
        failing.get_absolute_url(),
        *(e.get_absolute_url() for e in evaluations),
        "/queue/",
        "/docs/",
        "/docs/verdicts/",
        "/robots.txt",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "alice", "charlie"])
def test_every_page_renders(client: Client, site: Site, name: str) -> None:
    if name:
        client.force_login(factories.charlie() if name == "charlie" else factories.user(name))
    for address in addresses(site):
        response = client.get(address)
        assert response.status_code == 200, address
        assert "script-src 'self'" in response["Content-Security-Policy"], address
