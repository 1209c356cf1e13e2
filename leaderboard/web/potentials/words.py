"""Texts that readers of a potential's page take away: how to load it, how to cite it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from leaderboard.models import Potential, Submission
from leaderboard.web.docs import citations
from leaderboard.web.docs.citations import tex, verbatim

#: Three lines of Python by kind; {file} is the artifact's name, as a Python string.
_LOADING = {
    "chgnet": (
        "from chgnet.model.dynamics import CHGNetCalculator\n"
        "from chgnet.model.model import CHGNet\n"
        "atoms.calc = CHGNetCalculator(CHGNet.from_file({file}))"
    ),
    "mace": (
        "from mace.calculators import MACECalculator\n"
        "\n"
        "atoms.calc = MACECalculator(model_paths={file}, device='cpu', default_dtype={dtype})"
    ),
    "matgl": (
        "import matgl  # unzip {file} into the folder 'model' first\n"
        "from matgl.ext.ase import PESCalculator\n"
        "atoms.calc = PESCalculator(matgl.load_model('model'))"
    ),
    "package": (
        "import sys; sys.path.insert(0, 'potential')  # the folder of the unpacked {file}\n"
        "from {module} import {function}\n"
        "atoms.calc = {function}('potential')"
    ),
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")


def loading(submission: Submission) -> str:
    """Three lines of Python; empty for kinds that are a file of numbers alone."""
    template = _LOADING.get(submission.calculator_kind, "")
    entry = str(submission.settings.get("entry_point", "potential:calculator"))
    module, _, function = entry.partition(":")
    if not (_NAME.fullmatch(module) and _NAME.fullmatch(function)):
        module, function = "potential", "calculator"
    return template.format(
        file=repr(submission.artifact_filename),
        dtype=repr(str(submission.settings.get("dtype", "float64"))),
        module=module,
        function=function,
    )


def bibtex(potential: Potential) -> str:
    """An entry for the potential itself; its paper is named by address, which knows its year."""
    fields = {
        "author": " and ".join(tex(name) for name in _authors(potential.authors)),
        "title": f"{{{tex(potential.name)}}}",
        "doi": _doi(potential.paper_url),
        "url": verbatim(potential.paper_url or potential.code_url),
        "note": "Interatomic potential" + (
            f", trained on {tex(', '.join(potential.training_sets))}"
            if potential.training_sets
            else ""
        ),
    }  # fmt: skip
    return citations.entry(potential.slug, fields)


def _authors(words: str) -> list[str]:
    """Parted by commas; where semicolons part them, commas stand within: "Doe, J.; Roe, R."."""
    named, *others = re.split(r"\bet al\b", words, maxsplit=1)
    parts = re.split(";" if ";" in named else r",|\band\b", named)
    return [name.strip() for name in parts if name.strip()] + ["others"] * len(others)


def _doi(address: str) -> str:
    parts = urlsplit(address)
    is_doi = parts.hostname in {"doi.org", "dx.doi.org", "www.doi.org"}
    return tex(parts.path.lstrip("/")) if is_doi else ""
