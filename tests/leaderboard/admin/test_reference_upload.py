"""The upload of a reference set: a file is chosen once, corrected, read anew, and told truly."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from leaderboard import models
from leaderboard.lib import blobs
from tests.leaderboard.stored_files import keep_files_in

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
ADD = "/admin/leaderboard/referenceset/add/"
_HEADER = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3:{forces}:R:3 pbc="T T T"'


@pytest.fixture
def admin(client: Client, settings: Any, tmp_path: Path) -> Iterator[Client]:
    keep_files_in(settings, tmp_path)
    client.force_login(User.objects.create_superuser("charlie", "charlie@example.org", "x"))
    yield client


def frames(energy: str = "energy", forces: str = "forces", force: float = 0.1) -> str:
    """Pairs whose energy goes down as they part, as the forces say."""
    header = _HEADER.format(forces=forces)
    return "".join(
        f"2\n{header} {energy}={-7 - 0.1 * force * i} name=Pair-{i}\n"
        f"Cu 0 0 0 {-force} 0 0\nCu {2 + 0.1 * i} 0 0 {force} 0 0\n"
        for i in range(4)
    )


def form(text: str | None = "", **changes: Any) -> dict[str, Any]:
    """What a browser sends; without a file where ``text`` is None."""
    file = SimpleUploadedFile("pairs.xyz", (text or frames()).encode())
    return {
        "slug": "pairs",
        "version": "1",
        "title": "Pairs",
        "level_of_theory": "PBE",
        "licence": "CC0-1.0",
        "citation": "Nobody, 2026",
        "is_public": "on",
        "energy_unit": "eV",
        "force_unit": "eV/Å",
        "stress_unit": "eV/Å³",
        **{f"{n}_name": n for n in ("energy", "forces", "stress")},
        **({} if text is None else {"file": file}),
    } | changes


def preview(admin: Client, data: dict[str, Any]) -> tuple[str, Any]:
    """Send the form; the address of the preview, and its page."""
    answer = admin.post(ADD, data)
    assert answer.status_code == 302, answer.context["form"].errors
    return answer["Location"], admin.get(answer["Location"])


def press(admin: Client, address: str, page: Any, **buttons: str) -> Any:
    return admin.post(address, {"stamp": page.context["stamp"], **buttons}, follow=True)


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_a_file_is_kept_after_a_missing_licence(admin: Client) -> None:
    refused = admin.post(ADD, form(licence=""))
    assert set(refused.context["form"].errors) == {"licence"}
    assert "pairs.xyz</strong> is here already" in text_of(refused)
    kept = models.ReferenceUpload.objects.get()
    address, page = preview(admin, form(None, kept=str(kept.pk)))
    assert "4, the largest of 2 atoms" in text_of(page)
    assert models.ReferenceUpload.objects.count() == 1
    assert "pairs 1 is stored." in text_of(press(admin, address, page, confirm="1"))


def test_a_file_that_cannot_be_read_is_kept_too_and_another_takes_its_place(admin: Client) -> None:
    refused = admin.post(ADD, form("nonsense"))
    assert set(refused.context["form"].errors) == {"file"}
    kept = models.ReferenceUpload.objects.get()
    preview(admin, form(kept=str(kept.pk)))
    upload = models.ReferenceUpload.objects.get()
    assert upload.pk != kept.pk
    assert not blobs.exists(kept.original_name)


def test_the_preview_leads_back_to_its_form(admin: Client) -> None:
    address, page = preview(admin, form(title="Paris"))
    upload = models.ReferenceUpload.objects.get()
    edit = f"{ADD}?upload={upload.pk}"
    assert edit in text_of(page)
    shown = text_of(admin.get(edit))
    assert 'value="Paris"' in shown
    again, after = preview(admin, form(None, kept=str(upload.pk), title="Pairs", energy_unit="Ha"))
    assert again == address
    assert "Energy: energy, in Ha of the whole structure." in text_of(after)
    # What the other tab still shows is not what would be stored.
    stale = press(admin, address, page, confirm="1", seen="on")
    assert "It was changed since this page was shown." in text_of(stale)
    assert not models.ReferenceSet.objects.exists()


def test_look_alike_names_are_offered_and_read_with_a_button(admin: Client) -> None:
    address, page = preview(admin, form(frames("REF_energy", "REF_forces")))
    shown = text_of(page)
    assert "is one of them the energy? Then name it" in shown
    assert 'value="energy:REF_energy"' in shown
    page = press(admin, address, page, read_as="energy:REF_energy")
    assert "REF_energy is read as the energy." in text_of(page)
    page = press(admin, address, page, read_as="forces:REF_forces")
    assert "Energy: REF_energy, in eV" in text_of(page)
    assert "Read anew" not in text_of(page)
    sly = press(admin, address, page, read_as="stress:species")
    assert "There is no such name in the file." in text_of(sly)
    upload = models.ReferenceUpload.objects.get()
    assert upload.convention["energy_name"] == "REF_energy"


def test_doubts_name_the_declared_unit_and_the_energy_too(admin: Client) -> None:
    wild = form(frames(force=2.45), energy_unit="Ha", force_unit="Ha/Bohr")
    _, page = preview(admin, wild)
    shown = text_of(page)
    assert "Pair-0: a force of 126 eV/Å after conversion from Ha/Bohr" in shown
    assert "eV/atom after conversion from Ha" in shown


def test_the_very_same_set_was_there_already(admin: Client) -> None:
    address, page = preview(admin, form())
    press(admin, address, page, confirm="1")
    address, page = preview(admin, form(title="Other words"))
    assert "pairs 1 was there already, with the same bytes" in text_of(page)
    done = press(admin, address, page, confirm="1")
    assert "pairs 1 was there already, with the same bytes: nothing was changed." in text_of(done)
    assert models.ReferenceSet.objects.get().title == "Pairs"
    assert models.AuditEntry.objects.filter(action="reference set uploaded").count() == 1
    _, page = preview(admin, form(slug="others"))
    assert "The same structures and values stand as" in text_of(page)


def test_names_of_frames_and_messages_keep_their_case(admin: Client) -> None:
    address, page = preview(admin, form())
    done = press(admin, address, page, confirm="1")
    assert "pairs 1 is stored.<" in done.content.decode()
    row = models.ReferenceSet.objects.get()
    with blobs.open_stored(row.storage_name) as file:
        assert b"system_id=Pair-3" in file.read()


def test_a_second_click_is_told_that_it_is_done(admin: Client) -> None:
    address, page = preview(admin, form())
    press(admin, address, page, confirm="1")
    again = press(admin, address, page, confirm="1")
    assert again.status_code == 200
    assert "It was stored, discarded or forgotten meanwhile." in text_of(again)
    assert models.ReferenceSet.objects.count() == 1
    assert admin.get(f"{ADD}?upload=nonsense").status_code == 200


def test_nobody_sees_or_stores_what_another_administrator_has_uploaded(admin: Client) -> None:
    address, page = preview(admin, form(is_public=""))
    upload = models.ReferenceUpload.objects.get()
    other = Client()
    other.force_login(User.objects.create_superuser("dora", "dora@example.org", "x"))
    assert "Nothing is stored yet" not in text_of(other.get(address, follow=True))
    assert "pairs.xyz" not in text_of(other.get(f"{ADD}?upload={upload.pk}"))
    press(other, address, page, confirm="1")
    press(other, address, page, discard="1")
    refused = other.post(ADD, form(None, kept=str(upload.pk)))
    assert set(refused.context["form"].errors) == {"file"}
    assert models.ReferenceUpload.objects.get() == upload
    assert not models.ReferenceSet.objects.exists()


def test_nothing_is_stored_by_an_address_or_without_a_token_of_the_form(admin: Client) -> None:
    address, page = preview(admin, form())
    admin.get(address, {"confirm": "1", "stamp": page.context["stamp"]})
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="charlie"))
    sent = {"confirm": "1", "stamp": page.context["stamp"]}
    assert strict.post(address, sent).status_code == 403
    assert not models.ReferenceSet.objects.exists()
