"""Unpacking a zip that a stranger sent: into one new folder, never out of it, never too much.

Used inside the sandbox, where a breach would gain nothing; but a full disk or a clear message is
still worth having before the submission's code runs.
"""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from evaluator.calculators.base import InvalidArtifact

_MOST_FILES = 5_000
_MOST_BYTES = 1 << 30
_CHUNK = 1 << 20

_ARCHIVE_SUFFIXES = (".zip", ".whl", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_OTHERS = (
    (b"\x1f\x8b", "it is compressed by gzip (.tar.gz). Pack a zip"),
    (b"BZh", "it is compressed by bzip2. Pack a zip"),
    (b"\xfd7zXZ", "it is compressed by xz. Pack a zip"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstandard. Pack a zip"),
    (b"%PDF", "it is a PDF"),
    (b"7z\xbc\xaf\x27\x1c", "it is a 7z archive. Pack a zip"),
    (b"Rar!", "it is a RAR archive. Pack a zip"),
    (b"version https://git-lfs", "it is a Git LFS pointer, not the file it points to"),
)


def unpack(artifact: Path, *, most_files: int = _MOST_FILES, most_bytes: int = _MOST_BYTES) -> Path:
    """Unpack a zip into a new folder under the temporary directory and return the folder.

    Raises InvalidArtifact for what is no zip, for damaged or encrypted members, links, names that
    lead out of the folder or occur twice, more than ``most_files`` members, or more than
    ``most_bytes`` of content. The bytes are counted as they come; what the archive claims of
    their number is not believed.
    """
    folder = Path(tempfile.mkdtemp(prefix="artifact-"))
    try:
        with zipfile.ZipFile(artifact) as archive:
            members = [m for m in archive.infolist() if not _is_litter(_normal_name(m))]
            if len(members) > most_files:
                raise InvalidArtifact(f"the zip has more than {most_files} members")
            left = most_bytes
            for member in members:
                left -= _extract(archive, member, folder, left)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise InvalidArtifact(
            f"the file is not a zip that can be unpacked: {_what_it_is(artifact) or error}"
        ) from error
    except InvalidArtifact:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def without_wrapping_folder(folder: Path) -> Path:
    """The one folder that holds everything else, where there is such a one: a zip of a folder.

    A folder with an ``__init__.py`` is a package and no wrapping; ``src`` is known by its name.
    """
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir() or entries[0].name == "src":
        return folder
    return folder if (entries[0] / "__init__.py").exists() else entries[0]


def _what_it_is(artifact: Path) -> str:
    """What people send in place of a zip, by its first bytes; empty where they do not tell."""
    with artifact.open("rb") as file:
        head = file.read(512)
    if not head:
        return "it is empty"
    for signature, name in _OTHERS:
        if head.startswith(signature):
            return name
    if head.startswith(b"PK"):
        return "" if zipfile.is_zipfile(artifact) else "it is cut short. Upload it again"
    if head.lstrip()[:1] == b"<":
        return "it is a web page, perhaps the one that a download link led to"
    if b"\0" not in head and is_text(head):
        return "it is a text. Pack a zip, also of a single file"
    return "it is a tar archive. Pack a zip" if head[257:262] == b"ustar" else ""


def is_text(head: bytes) -> bool:
    """Whether the beginning of a file is UTF-8."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character cut by the end of what was read
    return True


def packed_further(folder: Path) -> str:
    """An archive that is all there is in this one; empty where there is none or more."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    is_archive = len(files) == 1 and files[0].name.lower().endswith(_ARCHIVE_SUFFIXES)
    return str(files[0].relative_to(folder)) if is_archive else ""


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, left: int) -> int:
    """Extract one member and return its size in bytes."""
    target = folder / _checked_name(member)
    if member.is_dir() or _normal_name(member).endswith("/"):
        target.mkdir(parents=True, exist_ok=True)
        return 0
    if member.flag_bits & 0x1:
        raise InvalidArtifact(f"the zip's member {member.filename!r} is encrypted")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise InvalidArtifact(f"the zip's member {member.filename!r} occurs twice")
    with archive.open(member) as source, target.open("xb") as sink:
        return _copy(source, sink, left)


def _copy(source: IO[bytes], sink: IO[bytes], left: int) -> int:
    size = 0
    while chunk := source.read(_CHUNK):
        size += len(chunk)
        if size > left:
            raise InvalidArtifact("the zip unpacks to more than is allowed")
        sink.write(chunk)
    return size


def _normal_name(member: zipfile.ZipInfo) -> str:
    """The member's name with slashes: Windows PowerShell 5 writes backslashes.

    Normalised before it is checked, so that no way out of the folder hides behind a backslash.
    """
    return member.filename.replace("\\", "/")


def _is_litter(name: str) -> bool:
    """What file managers add by themselves, and nobody means to send."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts[:1] or parts[-1:] in ((".DS_Store",), ("Thumbs.db",))


def _checked_name(member: zipfile.ZipInfo) -> PurePosixPath:
    name = _normal_name(member)
    path = PurePosixPath(name)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InvalidArtifact(f"the zip's member {name!r} is a link or a device")
    # A colon is a letter like others but for a Windows drive before it.
    has_drive = name[1:2] == ":" and name[:1].isalpha()
    if path.is_absolute() or ".." in path.parts or has_drive or not path.parts:
        raise InvalidArtifact(f"the zip's member {name!r} leads out of its folder")
    return path
