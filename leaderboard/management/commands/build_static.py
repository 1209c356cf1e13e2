"""Writes the static files that are built rather than kept: the Vega bundle for the charts."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert
from django.core.management.base import BaseCommand

TARGET = Path(__file__).resolve().parents[2] / "static" / "leaderboard" / "vendor" / "vega.js"


class Command(BaseCommand):
    help = "Write the Vega bundle out of the installed vl-convert-python. Run before collectstatic."

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ANN401  (Django's signature)
        stamp = f"/* vl-convert-python {version('vl-convert-python')} */\n"
        if TARGET.is_file() and TARGET.read_text()[: len(stamp)] == stamp:
            self.stdout.write(f"{TARGET.name} is up to date")
            return
        bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
        TARGET.parent.mkdir(exist_ok=True)
        # A function of its own keeps the bundle's thousands of names off the page.
        TARGET.write_text(f"{stamp}(function () {{\n{bundle}\n}})();\n")
        self.stdout.write(self.style.SUCCESS(f"wrote {TARGET.name}, {len(bundle) // 1024} KiB"))
