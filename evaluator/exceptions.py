"""Two families of error; anything else that is raised is a bug and is logged whole.

Messages are one or two sentences with the values in them, and say what to do.
"""

from __future__ import annotations


class SubmissionError(Exception):
    """The submitter's (or the user's) to correct; the message is shown to him."""


class InfrastructureError(Exception):
    """Ours: a missing file, a wrong hash, a sandbox that does not start. Tried again."""
