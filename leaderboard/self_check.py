"""Whether the settings of this process hold: ``python -m leaderboard.self_check`` tries each part.

Database, broker and data folder are used as the service uses them, once, and left as they were.
What is found is printed in lines of JSON, for ``touchstone check`` and ``worker --check``, which
must not import Django. No fault ends it: each has a line of its own, and says what to do.
"""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leaderboard.settings")

import django
from django.core.exceptions import ImproperlyConfigured

from evaluator.sentences import in_one_text

_REQUIRED = ("TOUCHSTONE_SECRET_KEY", "TOUCHSTONE_HOSTS", "DATABASE_URL", "CELERY_BROKER_URL")
_REQUIRED_IN_DEVELOPMENT = ("DATABASE_URL", "CELERY_BROKER_URL")
#: A host behind a firewall that drops packets does not answer at all.
_TIMEOUT_S = 5
_MIN_POSTGRESQL = 150_000
_MIN_FREE_BYTES = 2**30
_HOW_TO_SET = (
    "deploy/environment.example explains each; in a shell: set -a; . /etc/touchstone.env; set +a"
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the service as this host has it."""

    name: str
    is_well: bool
    found: str
    hint: str = ""


class Fault(Exception):
    """A part does not work: what was seen, and what to do."""

    def __init__(self, found: str, hint: str) -> None:
        self.found, self.hint = found, hint
        super().__init__(found)


def main() -> int:
    """Print a line of JSON before and after each part; the status is 0 whatever is found."""
    if not _tried("settings", _settings).is_well:
        return 0
    values = _values()
    _say({"values": values})
    _tried("database", _database)
    _tried("broker", _broker)
    _tried("data folder", _data_folder)
    if not values["is_development"]:
        _tried("static files", _static_files)
    return 0


def _say(line: dict[str, Any]) -> None:
    """At once, so that a part that never answers is known by name."""
    print(json.dumps(line), flush=True)


def _tried(name: str, check: Callable[[], str]) -> Part:
    _say({"trying": name})
    part = _found(name, check)
    _say({"part": asdict(part)})
    return part


def _found(name: str, check: Callable[[], str]) -> Part:
    try:
        return Part(name=name, is_well=True, found=check())
    except Fault as fault:
        return Part(name=name, is_well=False, found=fault.found, hint=fault.hint)
    except Exception as error:  # noqa: BLE001  (a check tells of whatever stands in the way)
        found = f"{type(error).__name__}: {_one_line(error)}"
        return Part(name=name, is_well=False, found=found, hint="the message says what was tried")


def _one_line(error: BaseException) -> str:
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return in_one_text(lines)[:300]


def _settings() -> str:
    is_development = os.environ.get("TOUCHSTONE_DEVELOPMENT", "0").lower() in {"1", "true", "yes"}
    required = _REQUIRED_IN_DEVELOPMENT if is_development else _REQUIRED
    missing = [name for name in required if not os.environ.get(name)]
    if missing:
        raise Fault(f"{', '.join(missing)} not set", _HOW_TO_SET)
    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise Fault("refused", _one_line(error)) from error
    return "development" if is_development else "production"


def _values() -> dict[str, Any]:
    """What the other half must know to try its own parts."""
    from django.conf import settings

    return {
        "is_development": settings.DEVELOPMENT,
        "device": settings.DEVICE,
        "require_cgroup": settings.REQUIRE_CGROUP,
        "allow_unsandboxed_built_in": settings.ALLOW_UNSANDBOXED_BUILT_IN,
    }


def _database() -> str:
    from django.db import Error, connection

    options = connection.settings_dict.setdefault("OPTIONS", {})
    options["connect_timeout"] = _TIMEOUT_S
    place = "{HOST}:{PORT}/{NAME}".format(
        **{**connection.settings_dict, "PORT": connection.settings_dict.get("PORT") or "5432"}
    )
    try:
        connection.ensure_connection()
    except Error as error:
        raise Fault(
            f"{place} cannot be reached: {_one_line(error)}",
            "is PostgreSQL up, do DATABASE_URL and pg_hba.conf name this user and host, and is the "
            "port open from here?",
        ) from error
    version = _checked_version(connection)
    _check_migrations(connection)
    _check_rights(connection)
    return f"PostgreSQL {version} at {place}"


def _checked_version(connection: Any) -> str:  # noqa: ANN401  (Django's proxy)
    number: int = connection.pg_version
    if number < _MIN_POSTGRESQL:
        raise Fault(f"PostgreSQL {number // 10_000}", "15 or newer is needed")
    return f"{number // 10_000}.{number % 10_000}"


def _check_migrations(connection: Any) -> None:  # noqa: ANN401
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        raise Fault(
            f"{len(plan)} migrations are missing, {plan[0][0]} the first",
            "run: manage.py migrate",
        )


def _check_rights(connection: Any) -> None:  # noqa: ANN401
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('transaction_read_only') = 'on', current_user,"
            " has_table_privilege('leaderboard_evaluation', 'SELECT, INSERT, UPDATE, DELETE')"
        )
        is_read_only, user, has_rights = cursor.fetchone()
    if is_read_only:
        raise Fault(
            "the database takes no writes", "is it a standby? DATABASE_URL must name the primary"
        )
    if not has_rights:
        raise Fault(
            f"{user} may not write its tables",
            "make that user the owner of database and tables, or migrate as it",
        )


def _broker() -> str:
    from kombu.exceptions import KombuError

    from leaderboard.celery import app

    hint = (
        "is the broker up, does it know user, password and virtual host of CELERY_BROKER_URL, and "
        "is the port open from here?"
    )
    try:
        wire: Any = app.connection_for_write()
        errors: tuple[type[BaseException], ...] = (
            KombuError,
            OSError,
            *wire.connection_errors,
            *wire.channel_errors,
        )
    except (ImportError, KeyError, AttributeError) as error:  # kombu has no error of its own
        raise Fault(
            f"CELERY_BROKER_URL cannot be used ({_one_line(error)})",
            "it begins with amqp:// (RabbitMQ) or redis:// (pip install 'touchstone-mlip[redis]')",
        ) from error
    place = str(wire.as_uri())  # without the password
    try:
        with wire:
            wire.ensure_connection(max_retries=1, interval_start=0, timeout=_TIMEOUT_S)
            _send_and_receive(wire)
    except errors as error:
        raise Fault(
            f"{place} does not work: {type(error).__name__}, {_one_line(error)}", hint
        ) from error
    return place


def _send_and_receive(wire: Any) -> None:  # noqa: ANN401  (kombu's connection)
    """A message goes through a queue of its own, which is then removed."""
    import kombu

    untyped: Any = kombu
    if wire.transport.driver_type == "sql":
        return  # the embedded one: it is the database, and would keep the queue's name for ever
    channel = wire.default_channel
    queue = untyped.Queue(
        f"touchstone-check-{secrets.token_hex(8)}", durable=False, channel=channel
    )
    queue.declare()
    try:
        producer = untyped.Producer(channel)
        producer.publish({"check": queue.name}, routing_key=queue.name, serializer="json")
        deadline = time.monotonic() + _TIMEOUT_S
        while (message := queue.get(no_ack=True)) is None:
            if time.monotonic() > deadline:
                raise Fault("a message does not come back", "look at the broker's log")
            time.sleep(0.05)
    finally:
        queue.delete()
    if message.payload != {"check": queue.name}:
        raise Fault("the broker gave back another message", "is something else on its queues?")


def _data_folder() -> str:
    from django.conf import settings

    from leaderboard.lib import blobs

    folder = Path(settings.DATA_DIR)
    name = f"TOUCHSTONE_DATA_DIR={folder}"
    if folder.exists() and not folder.is_dir():
        raise Fault(f"{name} is no folder", "name a folder of this host in TOUCHSTONE_DATA_DIR")
    if not folder.exists():
        make = f"make it: install -d -o touchstone -g touchstone {folder}"
        raise Fault(f"{name} does not exist", make)
    content = secrets.token_bytes(64)
    errors = _storage_errors()
    try:
        blob = blobs.write([content])
        try:
            _check_stored(blob, content)
        finally:
            blob.discard()
    except errors as error:
        in_bucket = isinstance(error, errors[1:])  # some of these are an OSError, too
        place = f"the bucket {settings.S3_BUCKET}" if in_bucket else name
        raise Fault(
            f"{place} cannot be used: {_one_line(error)}",
            "does it exist, and may the key list, read, write and delete in it?"
            if in_bucket
            else _why_not(folder, error),
        ) from error
    free = shutil.disk_usage(folder).free
    if free < _MIN_FREE_BYTES:
        raise Fault(f"{name} has {free // 2**20} MiB left", "make room: no artifact would fit")
    where = f"{folder} and the bucket {settings.S3_BUCKET}" if settings.S3_BUCKET else str(folder)
    return f"{where}, {free // 2**30} GiB free"


def _check_stored(blob: Any, content: bytes) -> None:  # noqa: ANN401  (lib.blobs.Blob)
    """It is kept, read and removed as artifacts are."""
    from leaderboard.lib import blobs

    name = f"temporary/check-{blob.sha256[:16]}"
    blob.keep(name)
    try:
        with blobs.open_stored(name) as file:
            is_same = file.read() == content
    finally:
        blobs.remove(name)
    if not is_same:
        raise Fault("the storage gives back other bytes", "look at its log")


def _storage_errors() -> tuple[type[Exception], ...]:
    """What the storage raises, OSError first; it is made not to try for long."""
    from django.conf import settings

    if not settings.S3_BUCKET:
        return (OSError,)
    if importlib.util.find_spec("storages") is None:
        raise Fault(
            "TOUCHSTONE_S3_BUCKET is set, and django-storages is not installed",
            "pip install -c deploy/constraints.txt -e '.[s3]'",
        )
    from boto3.exceptions import Boto3Error  # type: ignore[import-untyped]
    from botocore.config import Config  # type: ignore[import-untyped]
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

    # By itself it would try for minutes to reach a store behind a firewall.
    config = Config(connect_timeout=_TIMEOUT_S, read_timeout=30, retries={"total_max_attempts": 1})
    storages: Any = settings.STORAGES
    storages["default"]["OPTIONS"]["client_config"] = config
    return (OSError, Boto3Error, BotoCoreError, ClientError)


def _why_not(folder: Path, error: Exception) -> str:
    """What keeps us from writing there: how it is mounted, else whose it is and who we are."""
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return "mount it for writing; in a unit of systemd, name it among ReadWritePaths"
    owners = []
    for path in (folder, folder / "blobs"):
        try:
            status = path.stat()
        except OSError:
            continue
        owners.append(f"{path} is of uid {status.st_uid}, {stat.filemode(status.st_mode)}")
    return f"{'; '.join(owners)}; this process is uid {os.geteuid()}"


def _static_files() -> str:
    from django.conf import settings

    manifest = Path(settings.STATIC_ROOT) / "staticfiles.json"
    if not manifest.is_file():
        raise Fault(
            f"{manifest} is missing",
            "run: manage.py build_static && manage.py collectstatic --no-input",
        )
    return str(settings.STATIC_ROOT)


if __name__ == "__main__":
    sys.exit(main())
