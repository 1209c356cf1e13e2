"""A site with a row of every kind, for the tests that look at every page. No real numbers."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from typing import Any

import ase.io
import numpy as np
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from ase.build import bulk
from ase.calculators.emt import EMT
from django.contrib.auth.models import User
from django.utils import timezone

from evaluator.catalog import PROTOCOLS, check_parameters
from evaluator.plain import plain
from evaluator.protocols.base import System
from evaluator.protocols.phonons.protocol import PhononsProtocol
from leaderboard import models
from leaderboard.enums import TeamRole
from leaderboard.lib import blobs
from leaderboard.services.accounts import teams
from leaderboard.web.boards.systems import address_of_system
from tests.leaderboard import factories, gallery
from tests.leaderboard.advice_world import Advice, add, build_board
from tests.leaderboard.charts.test_dynamics import found as dynamics

SCRIPT = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
TURNED = "\u202eyxoloG \u0645\u0631\u062d\u0628\u0627"
LONG = "W" * 100
LONG_SYSTEM = f"{SCRIPT}/{LONG} 100%"


@dataclass(frozen=True)
class World:
    """The board of the first page with times; the gallery's board; what belongs to alice."""

    advice: Advice
    gallery: gallery.Site
    #: With a structure on file, answered by two.
    crystals: models.TaskVersion
    dynamics: models.Evaluation
    phonons: models.Evaluation
    private: models.Submission
    withdrawn: models.Submission
    team: models.Team
    invitation: models.Invitation
    draft: models.TaskVersion
    #: From letters to bob and vera: he forgot his password, she confirms her address.
    reset_link: str
    confirm_link: str

    def system(self, name: str = "cu") -> str:
        return address_of_system(self.crystals, name)


def build_world() -> World:
    """The cast: alice owns and is in a team, bob is invited to it, charlie is staff."""
    advice = build_board("simulation")
    _add_potentials(advice)
    shown = gallery.build_site()
    crystals = factories.task_version(_task("curves", "Curves"), reference_set=_stored_set())
    for name in ("chgnet:0.3.0", "m3gnet:2021.2.8"):
        _answer(crystals, shown.submissions[name])
    alice, bob = factories.user("alice"), factories.user("bob")
    for user in (alice, bob, factories.charlie()):
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    team = teams.create_team(alice, "lab", "Lab")
    # Such names are refused by now; a page that shows an older one must hold it all the same.
    models.Team.objects.filter(pk=team.pk).update(name=f"Lab {TURNED}")
    models.Membership.objects.create(team=team, user=factories.user("vera"), role=TeamRole.VIEWER)
    teams.invite(alice, team, TeamRole.SUBMITTER, email="eve@example.org")
    models.ApiToken.create(alice, SCRIPT)
    models.ApiToken.create(alice, "laptop")
    hidden = factories.potential(alice, slug="hidden", name="Hidden")
    return World(
        advice=advice,
        gallery=shown,
        crystals=crystals,
        dynamics=_dynamics(shown.submissions["chgnet:0.3.0"]),
        phonons=_phonons(shown.submissions["chgnet:0.3.0"]),
        private=factories.submission(hidden, visibility="private", version="1"),
        withdrawn=factories.submission(hidden, withdrawn_at=timezone.now(), version="0"),
        team=team,
        invitation=teams.invite(alice, team, TeamRole.VIEWER, username="bob"),
        draft=factories.task_version(_task("draft", "Draft"), state="draft"),
        reset_link=_reset_link(bob),
        confirm_link=_confirm_link(factories.user("vera")),
    )


def _reset_link(user: User) -> str:
    key = default_token_generator.make_token(user)
    return f"/account/password/reset/{user_pk_to_url_str(user)}-{key}/"


def _confirm_link(user: User) -> str:
    address = EmailAddress.objects.create(user=user, email=user.email, primary=True)
    return f"/account/confirm/{EmailConfirmationHMAC(address).key}/"


def _add_potentials(advice: Advice) -> None:
    """Fast and slow ones, one that is not open, one that lacks sulphur, and the hostile."""
    errors: dict[str, Any] = {
        "skills": {"Li": 0.8, "P": 0.6, "S": 0.5},
        "deltas": {"Li": 2.0, "P": 5.0, "S": 7.0},
    }
    errors["architecture"] = "MACE"
    add(advice, "sound", 0, scores=(0.9, 0.8, 0.7), us_per_atom=200.0, seed=1, **errors)
    add(advice, "swift", 0, scores=(0.5, 0.6, 0.7), us_per_atom=10.0, seed=2, **errors)
    add(advice, "closed", 0.9, licence="ASL", seed=3)
    add(advice, "narrow", 0.7, elements=["Li", "P"], seed=4)
    for n, (slug, text) in enumerate({"script": SCRIPT, "turned": TURNED, "long": LONG}.items()):
        add(
            advice, slug, 0.5 - n / 10, seed=5 + n, name=text, authors=text, architecture=text,
            level_of_theory=text, training_sets=[text], description=5 * f"{text} ",
        )  # fmt: skip


def _task(slug: str, name: str) -> models.Task:
    return models.Task.objects.create(slug=slug, name=name, summary=f"{name} of crystals.")


def _stored_set() -> models.ReferenceSet:
    """Whose file holds the structures; one has a name that is hard to bear."""
    structures = [bulk("Cu", cubic=True), bulk("NaCl", "rocksalt", a=5.6, cubic=True)]
    for atoms, name in zip(structures, ("cu", LONG_SYSTEM), strict=True):
        atoms.info.update(system_id=name, bulk_modulus_GPa=141.0)
    text = io.StringIO()
    ase.io.write(text, structures, format="extxyz")
    content = text.getvalue().encode()
    found = factories.reference_set(
        sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content)
    )
    blobs.write([content]).keep(found.storage_name)
    return found


def _answer(version: models.TaskVersion, submission: models.Submission) -> None:
    evaluation = factories.evaluation(submission, version, score=0.5, n_systems=2)
    volumes = np.linspace(10.0, 14.0, 7)
    values = {
        "element": "Cu",
        "bulk_modulus_GPa": 123.25,
        "delta_meV": 1.5,
        "curve_volumes_A3": volumes.tolist(),
        "curve_energies_meV": (8.0 * (volumes - 12.0) ** 2).tolist(),
    }
    for n, name in enumerate(("cu", LONG_SYSTEM)):
        models.SystemResult.objects.create(
            evaluation=evaluation, position=n, system_id=name, status="ok", values=values,
            reference={"bulk_modulus_GPa": 141.5},
        )  # fmt: skip


def _dynamics(submission: models.Submission) -> models.Evaluation:
    """One trajectory that lasted and one that broke."""
    summary, systems = _trajectories()
    version = factories.task_version(
        _task("heating-copper", "Heating of copper"), protocol="md_stability"
    )
    return _judged(submission, version, summary, systems)


def _phonons(submission: models.Submission) -> models.Evaluation:
    """Copper with EMT, on a coarse mesh."""
    summary, values = _vibrations()
    version = factories.task_version(_task("phonons", "Phonons"), protocol="phonons")
    return _judged(submission, version, summary, [("Cu", values)])


# What takes seconds to compute is the same in every world.
@cache
def _trajectories() -> Any:
    return dynamics(0, 50)


@cache
def _vibrations() -> Any:
    parameters = check_parameters(PROTOCOLS["phonons"].parameters, {"mesh": 4})
    protocol = PhononsProtocol()
    system = System(id="Cu", atoms=bulk("Cu"), reference={"supercell_matrix": 2 * np.eye(3)})
    outcome = protocol.simulate(system, EMT(), parameters)
    return plain(protocol.summary([system], [outcome], parameters)), plain(outcome.values)


def _judged(
    submission: models.Submission,
    version: models.TaskVersion,
    summary: Any,
    systems: list[tuple[str, dict[str, Any]]],
) -> models.Evaluation:
    evaluation = factories.evaluation(
        submission, version, score=0.6, summary=summary, n_systems=len(systems)
    )
    for n, (name, values) in enumerate(systems):
        models.SystemResult.objects.create(
            evaluation=evaluation, position=n, system_id=name, status="ok",
            values={k: v for k, v in values.items() if k != "reference"},
            reference=values.get("reference", {}),
        )  # fmt: skip
    return evaluation
