"""Every address of the service asked by everybody: the table is permission_rows.py."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from rest_framework.test import APIClient

from leaderboard import models
from leaderboard.enums import TeamRole
from leaderboard.services.accounts import teams
from leaderboard.services.submissions import uploads
from tests.leaderboard import factories
from tests.leaderboard.api.conftest import EMT, client_of, form
from tests.leaderboard.api.world import Side, World, make_world
from tests.leaderboard.permission_rows import ROWS

pytestmark = pytest.mark.django_db

CAST = ("nobody", "bob", "vera", "sam", "alice", "charlie")
METHODS = ("get", "post", "put", "patch", "delete")
#: Patterns that are no endpoints of ours, with the reason.
NOT_OURS = {"admin": "Django's admin: test_the_admin_is_for_the_staff_alone"}


@dataclass(frozen=True)
class Row:
    name: str
    method: str
    case: str
    expected: tuple[int, ...]


def rows() -> list[Row]:
    lines = [line.split() for line in ROWS.splitlines() if line and not line.startswith("#")]
    return [Row(n, m, case, tuple(map(int, codes))) for n, m, case, *codes in lines]


@dataclass(frozen=True)
class Stage:
    """The rows that the requests are about."""

    world: World
    team: models.Team
    invitation: models.Invitation
    upload: models.Upload
    webhook: models.Webhook
    delivery: models.WebhookDelivery
    token: models.ApiToken

    def side(self, case: str) -> Side:
        return self.world.private if case == "private" else self.world.public


@pytest.fixture
def clients(db: None) -> list[APIClient]:
    """With a token for the API and a session for the pages, as each has both."""
    users = [factories.user(n) for n in ("bob", "vera", "sam", "alice")] + [factories.charlie()]
    return [APIClient(), *(client_of(user) for user in users)]


@pytest.fixture
def stage(settings: Any, tmp_path: Any, clients: list[APIClient]) -> Stage:
    cache.clear()
    settings.DATA_DIR = tmp_path
    location = {"location": tmp_path / "blobs"}
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": location},
    }
    world, alice = make_world(), factories.user("alice")
    team = teams.create_team(alice, "the-team", "The team")
    for name, role in (("vera", TeamRole.VIEWER), ("sam", TeamRole.SUBMITTER)):
        models.Membership.objects.create(team=team, user=factories.user(name), role=role)
    models.Potential.objects.update(team=team)
    return Stage(
        world=world,
        team=team,
        invitation=teams.invite(alice, team, TeamRole.VIEWER, username="bob"),
        upload=uploads.announce_upload(
            alice, filename="a.json", size_bytes=len(EMT), sha256=hashlib.sha256(EMT).hexdigest()
        ),
        webhook=(webhook := factories.webhook(alice)),
        delivery=webhook.deliveries.create(kind="ping", body={}),
        token=alice.api_tokens.get(),
    )


def parameters(row: Row, stage: Stage) -> dict[str, Any]:
    """What stands in the address. An endpoint of a new kind of thing gets its entry here."""
    side = stage.side(row.case)
    evaluation = side.queued if row.name.endswith("evaluation-cancel") else side.ended
    PARAMETERS: dict[str, dict[str, Any]] = {
        "api:token": {"hint": stage.token.hint},
        "api:team": {"slug": stage.team.slug},
        "api:team-member": {"username": "vera"},
        "api:team-invitation": {"pk": stage.invitation.pk},
        "api:team-invitations": {"slug": stage.team.slug},
        "api:invitation": {"pk": stage.invitation.pk},
        "api:potential": {"slug": side.potential.slug},
        "api:badge": {"kind": "potentials", "slug": side.potential.slug},
        "api:feed": {"kind": "potentials", "slug": side.potential.slug},
        "api:webhook": {"pk": stage.webhook.pk},
        "api:webhook-delivery": {"pk": stage.webhook.pk, "delivery": stage.delivery.pk},
        "api:upload": {"pk": stage.upload.pk},
        "api:upload-part": {"number": 1},
        "api:submission": {"pk": side.submission.pk},
        "api:evaluation": {"pk": evaluation.pk},
        "api:evaluation-file": {"system_id": "Al", "name": "trajectory.extxyz"},
        "api:bundle-file": {"sha256": "0" * 64},
        "api:reference-file": {"sha256": "0" * 64},
        "api:runtime": {"name": "classical"},
        "runtime": {"name": "classical"},
        "api:task": {"slug": stage.world.task.task.slug},
        "api:leaderboard": {"slug": stage.world.benchmark.benchmark.slug},
        "benchmark": {"slug": stage.world.benchmark.benchmark.slug, "number": 1},
        "task": {"slug": stage.world.task.task.slug, "number": 1},
        "system": {"slug": stage.world.task.task.slug, "number": 1, "system_id": "Al"},
        "structure": {"slug": stage.world.task.task.slug, "number": 1, "system_id": "Al"},
        "potential": {"slug": side.potential.slug},
        "submission": {"pk": side.submission.pk},
        "protocol": {"name": "equation_of_state"},
        "doc": {"name": "scores"},
        "withdraw": {"pk": side.submission.pk},
        "publish": {"pk": side.submission.pk},
        "evaluation": {"pk": evaluation.pk},
        "token-revoke": {"pk": stage.token.pk},
        "account_confirm_email": {"key": "wrong"},
        "account_reset_password_from_key": {"uidb36": "1", "key": "wrong-key"},
        "team": {"slug": stage.team.slug, "username": "vera", "pk": stage.invitation.pk},
        "invitation": {"pk": stage.invitation.pk},
    }
    words = row.name.split("-")
    found: dict[str, Any] = {}
    for n in range(1, len(words) + 1):  # the longer the name, the more it says
        found |= PARAMETERS.get("-".join(words[:n]), {})
    pattern = patterns()[row.name].pattern
    named = getattr(pattern, "converters", {}) or pattern.regex.groupindex
    return {name: found[name] for name in named}


def body(row: Row, stage: Stage) -> Any:
    """What is sent, or asked in the query. An endpoint that needs something gets its entry here."""
    since = {"since": timezone.now().isoformat()}
    whole = {"filename": "b.json", "size_bytes": 3, "sha256": "0" * 64}
    BODIES: dict[tuple[str, str], Any] = {
        ("api:tokens", "post"): {"name": "for work"},
        ("api:teams", "post"): {"slug": "new", "name": "New"},
        ("api:team", "patch"): {"name": "Other"},
        ("api:team-member", "patch"): {"role": "submitter"},
        ("api:team-invitations", "post"): {"role": "viewer", "email": "eve@example.org"},
        ("api:potentials", "post"): {"slug": "new", "name": "New"}
        | ({"team": stage.team.slug} if row.case == "team" else {}),
        ("api:potential", "patch"): {"name": "Other"},
        ("api:webhooks", "post"): {"url": "https://receiver.invalid/"},
        ("api:webhook", "patch"): {"events": ["failed"]},
        ("api:uploads", "post"): whole,
        ("api:upload-part", "put"): EMT,
        ("api:submissions", "post"): form(stage.side(row.case).potential.slug),
        ("api:submission-check", "post"): {
            "potential": stage.side(row.case).potential.slug,
            "version": "9",
            "calculator_kind": "ase",
            "filename": "emt.json",
            "size_bytes": 1,
            "sha256": "0" * 64,
        },
        ("api:evaluation-reevaluate", "post"): {"reason": "better hardware"},
        ("evaluation-reevaluate", "post"): {"reason": "better hardware"},
        ("api:leaderboard-diff", "get"): since,
        ("api:task-diff", "get"): since,
        ("token-create", "post"): {"name": "for work"},
    }
    return BODIES.get((row.name, row.method), {})


@pytest.mark.slow
def test_everybody_gets_the_answer_of_the_table(stage: Stage, clients: list[APIClient]) -> None:
    wrong = []
    for row in rows():
        found = answers(row, stage, clients)
        if found != row.expected:
            wrong.append(f"{row.name} {row.method} {row.case}: {found}, not {row.expected}")
    assert not wrong, "\n".join([f"The cast is {CAST}.", *wrong])


def answers(row: Row, stage: Stage, clients: list[APIClient]) -> tuple[int, ...]:
    """The statuses; each of the cast finds the same world."""
    address = (
        "/api/v1/nowhere/"
        if row.name == "api:nowhere"
        else reverse(row.name, kwargs=parameters(row, stage))
    )
    found = []
    for name, client in zip(CAST, clients, strict=True):
        with transaction.atomic():
            response = ask(row, address, client, name, body(row, stage))
            transaction.set_rollback(True)
        found.append(response.status_code)
    return tuple(found)


def ask(row: Row, address: str, client: APIClient, name: str, data: Any) -> Any:
    if not row.name.startswith("api:"):
        page = Client()
        if name != "nobody":
            page.force_login(User.objects.get(username=name))
        return getattr(page, row.method)(address, data)
    if isinstance(data, bytes):
        sha256 = hashlib.sha256(data).hexdigest()
        kind = "application/octet-stream"
        headers = {"X-Part-SHA256": sha256}
        return client.generic(row.method.upper(), address, data, kind, headers=headers)
    kind = "multipart" if (row.name, row.method) == ("api:submissions", "post") else "json"
    sent = None if row.method == "delete" else data  # of a GET: the query
    if row.method == "get":
        return client.get(address, sent)
    return getattr(client, row.method)(address, sent, format=kind)


def patterns() -> dict[str, URLPattern]:
    return dict(_walk(get_resolver().url_patterns, ""))


def _walk(found: list[Any], prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for entry in found:
        if isinstance(entry, URLResolver):
            if (entry.namespace or "") not in NOT_OURS:
                inner = f"{prefix}{entry.namespace}:" if entry.namespace else prefix
                yield from _walk(entry.url_patterns, inner)
        else:
            yield f"{prefix}{entry.name}", entry


def test_every_address_and_method_has_a_row() -> None:
    known = {(row.name, row.method) for row in rows()}
    missing = []
    for name, pattern in patterns().items():
        view = getattr(pattern.callback, "cls", None)  # of the API; a page takes what it takes
        methods = [m for m in METHODS if hasattr(view, m)] if view else []
        missing += [f"{name} {m}" for m in methods if (name, m) not in known]
        if not methods and not any(name == row.name for row in rows()):
            missing.append(name)
    assert not missing, (
        f"No line in tests/leaderboard/permission_rows.py for: {', '.join(missing)}. Decide what "
        "each of anonymous, stranger, viewer, submitter, owner and staff is to get there, and add "
        "the lines; parameters and bodies go into test_permission_matrix.py."
    )


def test_every_row_has_an_address() -> None:
    assert {row.name for row in rows()} - set(patterns()) == set()


@pytest.mark.slow
def test_the_admin_is_for_the_staff_alone(stage: Stage) -> None:
    client = Client()
    for user in (None, "bob", "alice"):
        if user:
            client.force_login(User.objects.get(username=user))
        for model in admin.site._registry:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
            response = client.get(reverse(name))
            assert response.status_code == 302, name
            assert response["Location"].startswith("/admin/login/"), name
