#!/usr/bin/env python
"""Django's command line."""

import os
import sys

#: As the command line has it for faults of this machine; see evaluator/cli/exit_codes.py.
_INFRASTRUCTURE_ERROR = 30


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "leaderboard.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError, connection

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        _end(f"{error}. In a shell: set -a; . /etc/touchstone.env; set +a")
    except OperationalError as error:
        if connection.connection is not None:
            raise  # it was there, so this is about what we asked of it
        reason = " ".join(str(error).split())
        _end(f"the database cannot be reached: {reason}. touchstone check says more")


def _end(message: str) -> None:
    print(f"manage.py: {message}.", file=sys.stderr)
    sys.exit(_INFRASTRUCTURE_ERROR)


if __name__ == "__main__":
    main()
