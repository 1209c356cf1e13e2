"""Reference sets: uploaded, looked at, confirmed; later hidden or shown."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from leaderboard.admin.asking import ask_first, question_about
from leaderboard.admin.base import ReadOnlyAdmin, for_each, told
from leaderboard.exceptions import SubmissionError
from leaderboard.models import ReferenceSet, ReferenceUpload
from leaderboard.models.potential import slug_validator
from leaderboard.services.definitions import reference_uploads
from leaderboard.services.definitions.hidden_sets import hide_set, open_set
from leaderboard.services.definitions.reference_uploads import (
    ENERGY_UNITS,
    FORCE_UNITS,
    STRESS_ORDERS,
    STRESS_SIGNS,
    STRESS_UNITS,
    Convention,
    convention_from,
)

_DESCRIPTIVE = ("slug", "version", "title", "level_of_theory", "licence", "citation", "url")
_CONVENTION = tuple(Convention.__dataclass_fields__)
_ORDERS = (
    "as usual for the unit: xx yy zz yz xz xy, in kbar (VASP) xx yy zz xy yz zx",
    "xx yy zz yz xz xy (Voigt, ASE)",
    "xx yy zz xy yz zx (VASP)",
    "xx yy zz xy xz yz (LAMMPS)",
    "there must be nine numbers",
)
_SIGNS = (
    "as usual for the unit: tension, in kbar (VASP) and for virials compression",
    "positive under tension (ASE)",
    "positive under compression (VASP, a pressure)",
)
_RANGES = {"energy_eV_per_atom": "eV/atom", "force_eV_A": "eV/Å", "stress_GPa": "GPa"}


class UploadForm(forms.Form):
    """What the file cannot tell of itself, and the file."""

    file = forms.FileField(
        required=False, help_text="Extended XYZ (.extxyz, .xyz) or JSON; see the help below."
    )
    slug = forms.CharField(
        max_length=64, validators=[slug_validator], help_text="Name in addresses."
    )
    version = forms.CharField(max_length=32, initial="1", help_text="E.g. 1 or 2025.1.")
    title = forms.CharField(max_length=200, help_text="What it is, in a line.")
    level_of_theory = forms.CharField(max_length=100, help_text="E.g. PBE, r2SCAN, experiment.")
    licence = forms.CharField(max_length=200, help_text="SPDX name or a sentence.")
    citation = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2}), help_text="Paper with DOI."
    )
    url = forms.URLField(
        required=False, assume_scheme="https", max_length=500, help_text="Where it was published."
    )
    is_public = forms.BooleanField(
        required=False, initial=True, help_text="Reference values of a hidden set are never shown."
    )
    energy_unit = forms.ChoiceField(choices=[(u, u) for u in ENERGY_UNITS])
    force_unit = forms.ChoiceField(choices=[(u, u) for u in FORCE_UNITS])
    stress_unit = forms.ChoiceField(
        choices=[(u, u) for u in STRESS_UNITS],
        help_text="A virial is an energy; it is divided by the volume of the cell.",
    )
    stress_order = forms.ChoiceField(
        choices=list(zip(STRESS_ORDERS, _ORDERS, strict=True)),
        required=False,
        help_text="Of six numbers. Nine are read row by row, whatever is chosen here.",
    )
    stress_sign = forms.ChoiceField(
        choices=list(zip(STRESS_SIGNS, _SIGNS, strict=True)),
        required=False,
        help_text="What a positive number means.",
    )
    energy_name = forms.RegexField(r"^\w+$", initial="energy", max_length=64)
    forces_name = forms.RegexField(r"^\w+$", initial="forces", max_length=64)
    stress_name = forms.RegexField(
        r"^\w+$",
        initial="stress",
        max_length=64,
        help_text="How the file calls them: what is named here is what is used.",
    )

    def __init__(self, *args: Any, upload: ReferenceUpload | None, **kwargs: Any) -> None:  # noqa: ANN401
        #: What is wrong with the file that was chosen.
        self.complaint = kwargs.pop("complaint", "")
        super().__init__(*args, **kwargs)
        #: Whose file is used where no other is chosen.
        self.upload = upload
        if upload is not None:
            self.fields["file"].help_text = "Another file, in the place of this one."

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.complaint:
            self.add_error("file", self.complaint)
        elif self.upload is None and "file" not in self.errors:
            self.add_error("file", "Choose the file.")
        return cleaned


@admin.register(ReferenceSet)
class ReferenceSetAdmin(ReadOnlyAdmin):
    list_display = (
        *("slug", "version", "title", "n_systems", "level_of_theory", "licence", "is_public"),
    )
    list_filter = ("is_public", "level_of_theory")
    search_fields = ("slug", "title", "citation", "sha256")
    actions = ("show", "hide")
    exclude = ("summary",)
    readonly_fields = ("what_it_holds",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("leaderboard.add_referenceset"))

    def get_urls(self) -> list[URLPattern]:
        preview = path(
            "upload/<uuid:pk>/",
            self.admin_site.admin_view(self.preview_view),
            name="reference-upload",
        )
        return [preview, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Upload and check; what was found is shown before anything is stored.

        The file is kept whatever is wrong with the rest, so that it is chosen once.
        """
        if not self.has_add_permission(request):
            raise PermissionDenied
        named = request.POST.get("kept") or request.GET.get("upload")
        upload = _own_upload(request, named)
        if named and upload is None:
            self.message_user(request, reference_uploads.GONE, messages.WARNING)
        complaint = ""
        if request.method == "POST" and request.FILES.get("file"):
            upload, complaint = _kept(request, upload)
        form = UploadForm(
            request.POST or None,
            request.FILES or None,
            initial=_of_upload(upload) if upload else _initial(request.GET.get("from")),
            upload=upload,
            complaint=complaint,
        )
        if request.method == "POST" and form.is_valid() and _is_checked(form):
            return redirect("admin:reference-upload", pk=form.upload.pk)  # type: ignore[union-attr]
        context = {"form": form, "upload": form.upload, "title": "Upload a reference set"}
        return self._page(request, "upload.html", context)

    def preview_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        upload = _own_upload(request, str(pk))
        if upload is None:  # a second click, or another tab, has stored it
            self.message_user(request, reference_uploads.GONE, messages.WARNING)
            return redirect("admin:leaderboard_referenceset_changelist")
        if not upload.is_checked:
            return redirect(_edit_address(upload))
        if request.method == "POST":
            answer = self._decide(request, upload)
            if answer is not None:
                return answer
        context = {
            "upload": upload,
            "title": f"What {upload.filename} holds",
            "edit": _edit_address(upload),
            "stamp": _stamp(upload),
            "same": reference_uploads.same_bytes(upload),
            **_shown(upload),
        }
        return self._page(request, "preview.html", context)

    @admin.display(description="what it holds")
    def what_it_holds(self, reference: ReferenceSet) -> SafeString | str:
        if not reference.summary:
            return "It was not checked here."
        return render_to_string(
            "admin/leaderboard/referenceset/summary.html", _summary(reference.summary)
        )

    @admin.action(description="Open: show it and its evaluations whole", permissions=["operate"])
    def show(self, request: HttpRequest, queryset: QuerySet[ReferenceSet]) -> HttpResponse | None:
        hidden = [row for row in queryset if not row.is_public]
        meaning = (
            "Everybody sees their structures and values from then on, and all evaluations that "
            "were ever made on them. Whoever has read them knows them: it cannot be undone."
        )
        question = question_about("Open", hidden, meaning, request.get_full_path())
        if hidden and (page := ask_first(request, self.admin_site, question)):
            return page
        for_each(request, queryset, open_set, "Opened")
        return None

    @admin.action(
        description="Hide it, and all of its evaluations but scores", permissions=["operate"]
    )
    def hide(self, request: HttpRequest, queryset: QuerySet[ReferenceSet]) -> None:
        for_each(request, queryset, hide_set, "Hidden")

    def _decide(self, request: HttpRequest, upload: ReferenceUpload) -> HttpResponse | None:
        if "discard" in request.POST:
            reference_uploads.discard(upload)
            self.message_user(request, "Discarded; nothing was stored.")
            return redirect("admin:leaderboard_referenceset_add")
        if request.POST.get("stamp") != _stamp(upload):
            changed = "It was changed since this page was shown. Please look again."
            self.message_user(request, changed, messages.WARNING)
            return None
        if "read_as" in request.POST:
            return self._read_anew(request, upload)
        if upload.summary["problems"] and "seen" not in request.POST:
            self.message_user(request, "Say that you have seen what looks wrong.", messages.ERROR)
            return None
        stored: list[ReferenceSet] = []

        def store() -> str:
            done = reference_uploads.confirm(request.user, upload)  # type: ignore[arg-type]
            stored.append(done.reference)
            if done.is_new:
                return f"{done.reference} is stored."
            return f"{done.reference} was there already, with the same bytes: nothing was changed."

        if not told(request, store):
            return None
        address = reverse("admin:leaderboard_referenceset_change", args=[stored[0].pk])
        return HttpResponseRedirect(address)

    def _read_anew(self, request: HttpRequest, upload: ReferenceUpload) -> HttpResponse:
        """With one of the names that were offered."""
        quantity, _, name = request.POST["read_as"].partition(":")
        if name not in upload.summary.get("offers", {}).get(quantity, ()):
            self.message_user(request, "There is no such name in the file.", messages.ERROR)
            return redirect("admin:reference-upload", pk=upload.pk)
        given = {**upload.convention, f"{quantity}_name": name}
        told(request, lambda: _read(upload, given, f"{name} is read as the {quantity}."))
        return redirect("admin:reference-upload", pk=upload.pk)

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        common = {**self.admin_site.each_context(request), "opts": self.opts}
        return render(request, f"admin/leaderboard/referenceset/{name}", {**common, **context})


def _initial(pk: str | None) -> dict[str, Any]:
    """Fill the form for a new version of a set: all but the version."""
    old = ReferenceSet.objects.filter(pk=pk).first() if pk and pk.isdigit() else None
    if old is None:
        return {}
    return {name: getattr(old, name) for name in (*_DESCRIPTIVE, "is_public") if name != "version"}


def _own_upload(request: HttpRequest, pk: str | None) -> ReferenceUpload | None:
    """What this administrator has uploaded: none of another one's, of what it may hold."""
    try:
        return ReferenceUpload.objects.filter(pk=UUID(pk or ""), user=request.user.pk).first()
    except ValueError:
        return None


def _of_upload(upload: ReferenceUpload) -> dict[str, Any]:
    """What stood in the form when the file was checked."""
    return {**upload.convention, **upload.description}


def _edit_address(upload: ReferenceUpload) -> str:
    return f"{reverse('admin:leaderboard_referenceset_add')}?upload={upload.pk}"


def _stamp(upload: ReferenceUpload) -> str:
    """Of all that the preview tells: what is confirmed is what was shown."""
    told_of = [upload.sha256, upload.description, upload.convention]
    return hashlib.sha256(json.dumps(told_of, sort_keys=True).encode()).hexdigest()[:32]


def _kept(
    request: HttpRequest, before: ReferenceUpload | None
) -> tuple[ReferenceUpload | None, str]:
    """Keep the file that was chosen, in the place of an earlier one; else what is wrong with it."""
    file: Any = request.FILES["file"]
    user: Any = request.user
    try:
        upload = reference_uploads.keep(user, file, file.name or "")
    except SubmissionError as error:
        return before, " ".join(error.errors.values())
    if before is not None:
        reference_uploads.discard(before)
    return upload, ""


def _is_checked(form: UploadForm) -> bool:
    """Check the file as the form says; False where it is refused, which stands at the fields."""
    cleaned = form.cleaned_data
    try:
        form.upload = reference_uploads.check(
            form.upload,  # type: ignore[arg-type]  # the form has complained where there is none
            convention_from({n: cleaned[n] for n in _CONVENTION if cleaned[n]}),
            {name: cleaned[name] for name in (*_DESCRIPTIVE, "is_public")},
        )
    except SubmissionError as error:
        for field, sentence in error.errors.items():
            form.add_error(field if field in form.fields else None, sentence)
        return False
    return True


def _read(upload: ReferenceUpload, given: dict[str, str], done: str) -> str:
    reference_uploads.check(upload, convention_from(given), upload.description)
    return done


def _shown(upload: ReferenceUpload) -> dict[str, Any]:
    given = upload.description
    words = [(name.replace("_", " "), given[name]) for name in (*_DESCRIPTIVE, "is_public")]
    offers = [
        (quantity, name)
        for quantity, names in upload.summary.get("offers", {}).items()
        for name in names
    ]
    return {"description": words, "offers": offers, **_summary(upload.summary)}


def _summary(summary: dict[str, Any]) -> dict[str, Any]:
    """Prepare the summary for the template: the histogram with the width of its bars."""
    elements = summary["elements"]
    most = max(elements.values(), default=1)
    return {
        "summary": summary,
        "histogram": [(e, n, round(100 * n / most)) for e, n in elements.items()],
        "ranges": [
            (name.split("_")[0], *summary["ranges"][name], unit)
            for name, unit in _RANGES.items()
            if name in summary["ranges"]
        ],
    }
