"""Every page of the site, as somebody sees it: what tests of all pages go through.

A new address in ``leaderboard/web/urls.py`` needs a visit here, or a reason in ``NOT_PAGES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.urls import URLPattern, URLResolver, resolve

from leaderboard.web.docs.listing import PAGES
from leaderboard.web.urls import urlpatterns
from tests.browser.world import LONG_SYSTEM, World

#: Addresses that show no page of their own, with the reason.
NOT_PAGES = {
    "benchmark-latest": "leads on to the newest version",
    "system-latest": "leads on to the newest version",
    **dict.fromkeys(
        ("card", "benchmark-card", "task-card", "task-version-card", "potential-card"), "a picture"
    ),
    "structure": "a file",
    "submission-progress": "a part of the submission's page",
    "publish": "leads on to the submission",
    "withdraw": "leads on to the submission",
    "evaluation-cancel": "leads on to the evaluation",
    "evaluation-reevaluate": "leads on to the new evaluation",
    "token-revoke": "leads on to the account",
    "team-create": "leads on to the team",
    "team-uninvite": "leads on to the team",
    "team-member": "leads on to the team",
    "logout": "leads on to the first page",
    "account_logout": "leads on to the first page",
    "account_set_password": "leads on; for those who sign in elsewhere alone",
    "socialaccount_signup": "leads on, unless a sign-in elsewhere has begun",
    "mfa_activate_totp": "asks for the password again, which is the page that is visited",
    "mfa_authenticate": "leads on, unless a sign-in has begun",
    "mfa_reauthenticate": "leads on without a second factor",
    "mfa_deactivate_totp": "leads on without a second factor",
    "mfa_view_recovery_codes": "leads on without a second factor",
    "mfa_generate_recovery_codes": "leads on without a second factor",
    "sitemap": "for machines",
    "robots": "for machines",
}
#: Other names of a page that is visited.
SAME = {"account_login": "login"}
QUESTION = (
    "elements=Li,P,S&n_atoms=10000&duration=1&duration_unit=ns&temperature_K=600"
    "&hardware=gpu&licence=open"
)
FILTERS = "show=architecture&show=licence&show=date&weight.Forces=3&since=2020-01-01"


@dataclass(frozen=True)
class Visit:
    address: str
    #: Status of the page that is shown in the end.
    status: int = 200
    #: What the reader does there before the page is looked at.
    act: Callable[[Any], None] | None = None
    #: Name of the address that answers in the end, where it is not the one that was opened.
    answered_by: str = ""
    #: Whether it is the page of another visit once more, with its title.
    shares_title: bool = False

    @property
    def name(self) -> str:
        return self.answered_by or str(resolve(unquote(self.address.partition("?")[0])).url_name)

    def __str__(self) -> str:
        return self.address + (f" ({self.answered_by or 'acted'})" if self.act else "")


def strangers_visits(world: World) -> list[Visit]:
    """What anybody may read."""
    shown, swift = world.gallery.submissions, world.gallery.submissions["chgnet:0.3.0"]
    late = shown["tensornet:2025.1"]
    return [
        Visit("/"),
        Visit(f"/?{FILTERS}&elements=Li", shares_title=True),
        Visit("/?text=nothing-is-called-so", shares_title=True),
        Visit("/?chemistry=metals", shares_title=True),
        Visit("/?elements=Xx&sort=nothing", 400, shares_title=True),
        Visit("/benchmarks/core/1/"),
        Visit("/benchmarks/core/1/?category=Forces&sort=name", shares_title=True),
        Visit("/tasks/"),
        Visit("/tasks/eos-wien2k/"),
        Visit("/tasks/forces-offequilibrium/1/"),
        Visit("/tasks/efficiency/?columns=all"),
        Visit("/tasks/heating-copper/"),
        Visit(world.system()),
        Visit(world.system(LONG_SYSTEM)),
        Visit("/tasks/eos-wien2k/1/systems/Cu/"),  # whose structure is lost
        Visit("/potentials/"),
        Visit("/potentials/chgnet/"),
        *(Visit(f"/potentials/{slug}/") for slug in ("script", "turned", "long", "tensornet")),
        Visit(late.get_absolute_url()),
        *(Visit(e.get_absolute_url()) for e in late.evaluations.all()),
        Visit(swift.evaluations.get(task_version=world.gallery.eos).get_absolute_url()),
        Visit(swift.evaluations.get(task_version=world.gallery.forces).get_absolute_url()),
        Visit(world.dynamics.get_absolute_url()),
        Visit(world.phonons.get_absolute_url()),
        Visit("/choose/"),
        Visit(f"/choose/?{QUESTION}", shares_title=True),
        Visit("/choose/?elements=Xx&n_atoms=-1", 400, shares_title=True),
        Visit("/compare/"),
        Visit("/compare/?p=sound&p=swift&p=script"),
        Visit("/compare/?p=nobody", 404, shares_title=True),
        Visit("/correlation/"),
        Visit("/queue/"),
        Visit("/runtimes/"),
        Visit("/runtimes/chgnet/"),
        *(Visit(page.address) for page in PAGES.values()),
        Visit("/docs/protocols/energy_forces/"),
        Visit("/potentials/chgnett/", 404),
        Visit("/tasks/no/such/thing/", 404, answered_by="nothing", shares_title=True),
        Visit("/login/?next=/account/"),
        Visit("/login/", act=_sign_in_wrongly, shares_title=True),
        Visit("/signup/"),
        Visit("/signup/", act=_sign_up_badly, shares_title=True),
        Visit("/account/inactive/"),
        Visit("/account/welcome/"),
        Visit("/account/confirm/"),
        Visit(world.confirm_link),
        Visit("/account/confirm/wrong/", shares_title=True),
        Visit("/account/password/reset/"),
        Visit("/account/password/reset/sent/"),
        Visit(world.reset_link),
        Visit("/account/password/reset/1-wrong/", shares_title=True),
        Visit("/account/password/reset/done/"),
        Visit("/account/social/error/", 401),
        Visit("/account/social/cancelled/"),
    ]  # fmt: skip


def alices_visits(world: World) -> list[Visit]:
    """Of her own things; she owns potentials and a team."""
    swift = world.gallery.submissions["chgnet:0.3.0"]
    team = world.team.get_absolute_url()
    return [
        Visit("/account/"),
        Visit("/account/", 201, act=_make_token, answered_by="token-create", shares_title=True),
        Visit("/account/email/"),
        Visit("/account/password/"),
        Visit("/account/password/", act=_change_badly, shares_title=True),
        Visit("/account/social/"),
        Visit("/account/two-factor/"),
        Visit("/account/two-factor/app/", answered_by="account_reauthenticate"),
        Visit("/submissions/"),
        Visit("/submissions/new/"),
        Visit("/submissions/new/", 400, act=_submit_badly, shares_title=True),
        Visit(swift.get_absolute_url(), act=_open_all),
        Visit(world.private.get_absolute_url()),
        Visit(world.withdrawn.get_absolute_url()),
        Visit("/potentials/hidden/"),
        Visit("/potentials/sound/edit/"),
        Visit("/potentials/sound/edit/", 400, act=_edit_badly, shares_title=True),
        Visit(team),
        Visit(team, 400, act=_invite_nobody, answered_by="team-invite", shares_title=True),
    ]


def bobs_visits(world: World) -> list[Visit]:
    """He has an invitation and nothing else."""
    return [
        Visit("/account/"),
        Visit("/account/welcome/", shares_title=True),
        Visit("/submissions/"),
        Visit(world.invitation.get_absolute_url()),
        Visit("/admin/login/", 403),
    ]


def charlies_visits(world: World) -> list[Visit]:
    """The staff sees drafts."""
    return [
        Visit("/account/"),
        Visit(f"/tasks/{world.draft.task.slug}/{world.draft.number}/"),
        Visit(world.private.get_absolute_url()),
    ]


VISITS = {
    "": strangers_visits,
    "alice": alices_visits,
    "bob": bobs_visits,
    "charlie": charlies_visits,
}
#: Of a site where nothing has happened yet.
EMPTY = [
    Visit(address)
    for address in (
        "/", "/tasks/", "/potentials/", "/choose/", "/compare/", "/correlation/", "/queue/",
    )
]  # fmt: skip


def reach(page: Any, visit: Visit) -> list[str]:
    """Go there; the last answer for a page must have the status of the visit."""
    statuses: list[int] = []

    def see(response: Any) -> None:
        if response.request.is_navigation_request():
            statuses.append(response.status)

    page.on("response", see)
    page.goto(visit.address)
    if visit.act:
        visit.act(page)
        page.wait_for_load_state()
    page.remove_listener("response", see)
    return [] if statuses[-1] == visit.status else [f"status {statuses[-1]}, not {visit.status}"]


def names_without_a_visit(world: World) -> set[str]:
    visited = {visit.name for visits in VISITS.values() for visit in visits(world)}
    return {SAME.get(n, n) for n in _names(urlpatterns)} - visited - set(NOT_PAGES)


def _names(entries: list[Any]) -> set[str]:
    found: set[str] = set()
    for entry in entries:
        if isinstance(entry, URLResolver):
            found |= _names(entry.url_patterns)
        elif isinstance(entry, URLPattern):
            found.add(str(entry.name))
    return found


def _sign_in_wrongly(page: Any) -> None:
    page.fill("[name=login]", "alice")
    page.fill("[name=password]", "wrong")
    page.click("main button.primary")


def _sign_up_badly(page: Any) -> None:
    for name, text in {"username": "alice", "email": "a@example.org", "password1": "1234"}.items():
        page.fill(f"[name={name}]", text)
    page.fill("[name=password2]", "4321")
    page.click("main button.primary")


def _make_token(page: Any) -> None:
    page.fill("form[action$='tokens/'] [name=name]", "desk")
    page.click("text=Make a token")


def _change_badly(page: Any) -> None:
    for name in ("oldpassword", "password1", "password2"):
        page.fill(f"[name={name}]", "wrong")
    page.click("main button.primary")


def _submit_badly(page: Any) -> None:
    page.fill("#name", "Mine")
    page.fill("#version", "one and a half")
    file = {"name": "emt.json", "mimeType": "application/json", "buffer": b"{}"}
    page.set_input_files("#artifact", file)
    page.click("text=Submit and evaluate")


def _invite_nobody(page: Any) -> None:
    page.fill("[name=who]", "nobody-is-called-so")
    page.click("text=Invite")


def _edit_badly(page: Any) -> None:
    page.fill("[name=name]", "")
    page.fill("[name=n_parameters]", "many")
    page.click("text=Change it")


def _open_all(page: Any) -> None:
    for summary in page.locator("summary").all():
        summary.click()
