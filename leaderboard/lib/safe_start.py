"""What a service on the internet must not start with: a guessable key, or any host's name.

Read by the settings before there are any, so nothing here may need Django's.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

MIN_KEY_LENGTH = 32
#: A random text of 32 hexadecimal digits has 128; what can be counted in one is a little less.
MIN_KEY_BITS = 90
#: Such words stand in examples and phrases; in random letters practically never.
_TELLING = re.compile(
    "secret|insecure|password|passwort|change|example|touchstone|django|default|production|letmein"
    "|qwert|random|replace|your-?key",
    re.IGNORECASE,
)
_MAKE_ONE = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"
_COMMENT = re.compile(r"(?:^|\s)#\s")
_HOST = re.compile(r"\.?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]", re.IGNORECASE)
_LOCAL = {"localhost", "127.0.0.1", "[::1]", "testserver"}


def weakness_of_key(key: str) -> str:
    """Why a secret key could be guessed, and how to make a better one; empty for a good one."""
    if _COMMENT.search(key):
        return (
            "' #' is in it: an environment file has comments on lines of their own, and what "
            "stands behind a value is a part of it. Leave the key alone on its line; what was made "
            "under the old value (sessions, second factors) stays valid if the whole of it stands "
            f"in TOUCHSTONE_OLD_SECRET_KEYS. {_MAKE_ONE}"
        )
    if len(key) < MIN_KEY_LENGTH:
        return f"it has {len(key)} characters, and needs {MIN_KEY_LENGTH} at least. {_MAKE_ONE}"
    if word := _TELLING.search(key):
        return f"it contains {word[0]!r}, as examples and phrases do. {_MAKE_ONE}"
    if not (any(c.isdigit() for c in key) and any(c.isalpha() for c in key)):
        return f"it lacks digits or letters, of which a random one has both. {_MAKE_ONE}"
    if _bits(key) < MIN_KEY_BITS:
        return f"it is too regular to be random. {_MAKE_ONE}"
    return ""


def weakness_of_hosts(hosts: Sequence[str]) -> str:
    """Why these names of the site would let a visitor choose another; empty where they do not."""
    for host in hosts:
        if "*" in host:
            return (
                f"{host!r} stands for every name: links in letters would lead wherever a visitor "
                "likes. Name the hosts: touchstone.example.org"
            )
        if not _HOST.fullmatch(host):
            return (
                f"{host!r} is no host name. Write touchstone.example.org, without https:// or port"
            )
        if host.startswith(".") and "." not in host[1:]:
            return f"{host!r} stands for a whole top-level domain. Name the hosts."
    return "" if hosts else "no host is named"


def public_hosts(hosts: Sequence[str]) -> list[str]:
    """Those that others than this machine could ask by."""
    return [host for host in hosts if host.lower() not in _LOCAL]


def _bits(key: str) -> float:
    """The least of three estimates: letters, steps between letters, what compresses."""
    steps = [chr(ord(b) - ord(a) + 0x10FFFF // 2) for a, b in pairwise(key)]
    compressed = 8.0 * (len(zlib.compress(key.encode(), 9)) - len(zlib.compress(b"", 9)))
    return min(_letter_bits(key), _letter_bits(steps), compressed)


def _letter_bits(letters: Sequence[str]) -> float:
    n = len(letters)
    return -sum(count * math.log2(count / n) for count in Counter(letters).values())
