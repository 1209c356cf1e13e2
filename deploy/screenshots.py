"""Pictures of every page, at phone and desktop width, light and dark: ``make screenshots``.

The site is that of the demo, whose database is under ``var/``: where nothing was evaluated there
yet, the demo runs first. ``--url`` takes pictures of a site that runs already. What the README
shows goes to ``docs/screenshots/``.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from PIL import Image

from deploy.demo.stack import ROOT, DemoError, Stack
from evaluator.client import Client, ClientError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

BENCHMARK = "core-small"
SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
SCHEMES = ("light", "dark")
BROWSER_OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
#: What the README shows, by the names of pages, each with its scheme; cut to one screen.
IN_README = {
    "home": "light",
    "potential": "light",
    "task-eos-wien2k": "dark",
    "choose-small": "light",
}
README_FOLDER = ROOT / "docs" / "screenshots"
QUESTION = (
    "/choose/?elements=Li,P,S&n_atoms=10000&duration=1&duration_unit=ns&temperature_K=600"
    "&licence=open"
)
#: What a processor can do.
SMALL_QUESTION = (
    "/choose/?elements=Li,P,S&n_atoms=200&duration=10&temperature_K=600&hardware=cpu&licence=open"
)
SIGNED_IN = {"account": "/account/", "submit": "/submissions/new/", "submissions": "/submissions/"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog='make screenshots ARGS="..."', description="Take pictures of every page."
    )
    parser.add_argument("--url", help="of a site that runs; the README's pictures are left alone")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "var", help="of the demo's site")
    parser.add_argument("--out", type=Path, help="default: screenshots/ in the data's folder")
    parser.add_argument("--only", default="", help="pages whose names begin so")
    parser.add_argument("--schemes", default=",".join(SCHEMES), help="default: %(default)s")
    chosen = parser.parse_args()
    data_dir = chosen.data_dir.resolve()
    out = chosen.out or data_dir / "screenshots"
    schemes = chosen.schemes.split(",")
    try:
        if chosen.url:
            _take(chosen.url, out, schemes, chosen.only)
        else:
            with _demo_site(data_dir) as url:
                _take(url, out, schemes, chosen.only, _password(data_dir))
                if not chosen.only:
                    _take_for_readme(url)
    except (DemoError, ClientError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def pages_of(url: str) -> dict[str, str]:
    """Name and address of a page of each kind, found by what the site's board holds."""
    client = Client(url)
    rows = client.leaderboard(BENCHMARK).rows
    trained = [r.submission for r in rows if not r.submission.potential.is_baseline and r.overall]
    if len(trained) < 2:
        raise DemoError("Fewer than two trained potentials have an overall score: run the demo.")
    first, second = trained[:2]
    submission = client.submission(first.id)
    pages = {
        "home": "/",
        "board-filtered": "/?elements=Li,P,S&open_weights=1&sort=name&show=date&show=speed",
        "board-changes": "/?since=2000-01-01",
        "tasks": "/tasks/",
        "potentials": "/potentials/",
        "potential": f"/potentials/{first.potential.slug}/",
        "choose": "/choose/",
        "choose-answer": QUESTION,
        "choose-gpu": f"{QUESTION}&hardware=gpu",
        "choose-small": SMALL_QUESTION,
        "choose-error": "/choose/?elements=Xx&n_atoms=many",
        "compare": "/compare/",
        "compare-two": f"/compare/?p={first.potential.slug}&p={second.potential.slug}",
        "correlation": "/correlation/",
        "queue": "/queue/",
        "submission": submission.page,
        "not-found": "/potentials/chgnett/",
        "sign-in": "/login/",
        "sign-up": "/signup/",
        "docs": "/docs/",
        "verdicts": "/docs/verdicts/",
    }
    for evaluation in submission.evaluations:
        if evaluation.state != "succeeded":
            continue
        task = evaluation.task
        pages[f"task-{task}"] = f"/tasks/{task}/"
        pages[f"evaluation-{task}"] = f"/evaluations/{evaluation.id}/"
        if system := _system(url, evaluation.id):
            number = evaluation.task_version
            pages[f"system-{task}"] = f"/tasks/{task}/{number}/systems/{quote(system, safe='')}/"
    return pages


def _system(url: str, evaluation: str) -> str:
    """The first system that went well; none of a hidden set."""
    answer = requests.get(f"{url}/api/v1/evaluations/{evaluation}/systems/", timeout=60)
    answer.raise_for_status()
    systems: list[dict[str, Any]] = answer.json()["results"]
    return next((s["system_id"] for s in systems if s["status"] == "ok"), "")


def _take(url: str, out: Path, schemes: Sequence[str], only: str, password: str = "") -> None:
    pages = {name: page for name, page in pages_of(url).items() if name.startswith(only)}
    out.mkdir(parents=True, exist_ok=True)
    with _browser() as browser:
        for size, scheme in ((s, c) for s in SIZES for c in schemes):
            with _context(browser, url, size, scheme) as context:
                _picture_each(context, pages, out, f"{size}-{scheme}")
                if password:
                    _sign_in(context, password)
                    shown = {n: page for n, page in SIGNED_IN.items() if n.startswith(only)}
                    _picture_each(context, shown, out, f"{size}-{scheme}")
    print(f"{len(list(out.glob('*.png')))} pictures in {out}")


def _take_for_readme(url: str) -> None:
    pages = pages_of(url)
    README_FOLDER.mkdir(parents=True, exist_ok=True)
    with _browser() as browser:
        for name, scheme in IN_README.items():
            with _context(browser, url, "desktop", scheme) as context:
                whole = _picture(context, pages[name], full_page=False)
            # 256 colours are as many as these pages need, in a third of the bytes.
            small = Image.open(io.BytesIO(whole)).convert("RGB").quantize(256)
            small.save(README_FOLDER / f"{name}.png", optimize=True)
    print(f"{len(IN_README)} pictures for the README in {README_FOLDER}")


def _picture_each(context: BrowserContext, pages: Mapping[str, str], out: Path, kind: str) -> None:
    for name, address in pages.items():
        (out / f"{name}-{kind}.png").write_bytes(_picture(context, address, full_page=True))


def _picture(context: BrowserContext, address: str, *, full_page: bool) -> bytes:
    page = context.new_page()
    page.goto(address)
    if full_page:
        # Charts are drawn when they come into sight.
        page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    for figure in page.query_selector_all("[data-chart]") if full_page else []:
        figure.scroll_into_view_if_needed()
        figure.wait_for_selector("xpath=self::*[contains(@class, 'is-live')]")
    page.evaluate("scrollTo(0, 0)")
    taken = page.screenshot(full_page=full_page)
    page.close()
    return taken


def _sign_in(context: BrowserContext, password: str) -> None:
    page = context.new_page()
    page.goto("/login/")
    page.fill("[name=login]", "alice")
    page.fill("[name=password]", password)
    page.click("main button")
    page.wait_for_load_state()
    page.close()


def _password(data_dir: Path) -> str:
    return str(json.loads((data_dir / "users.json").read_text())["alice"]["password"])


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        raise DemoError("Chromium is missing: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(BROWSER_OPTIONS))
        yield browser
        browser.close()


@contextmanager
def _context(browser: Browser, url: str, size: str, scheme: str) -> Iterator[BrowserContext]:
    width, height = SIZES[size]
    context = browser.new_context(
        base_url=url,
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    yield context
    context.close()


@contextmanager
def _demo_site(data_dir: Path) -> Iterator[str]:
    """The demo's site without its worker; the demo itself where it has not run yet."""
    if not (data_dir / "users.json").exists():
        command = [sys.executable, "-m", "deploy.demo", "--until-done", "--data-dir", str(data_dir)]
        if status := subprocess.run(command, cwd=ROOT, check=False).returncode:
            raise DemoError(f"The demo ended with status {status}.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stack = Stack(data_dir=data_dir, port=port)
    try:
        stack.start_database()
        stack.manage("migrate", "--no-input")
        stack.manage("build_static")
        stack.start_web()
        yield stack.url
    finally:
        stack.stop()


if __name__ == "__main__":
    sys.exit(main())
