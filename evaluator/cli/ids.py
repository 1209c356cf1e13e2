"""Which submission or evaluation is meant: its id, the beginning of one, or the latest."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from itertools import islice

from evaluator.cli.service import checked_id
from evaluator.client import Client, Evaluation, NotFound, Submission
from evaluator.exceptions import SubmissionError

_N_SHORT = 8
_BEGINNING = re.compile(r"[0-9a-f]{4,8}(-[0-9a-f-]*)?")
#: Of one's own, the newest, that a short id is looked for among.
_N_SEARCHED = 1000


def short(full_id: str) -> str:
    """The beginning of an id, which ``find`` takes for it.

    >>> short("0b7e0bd2-6a83-4ab7-9a7c-2c5ac42f8f2e")
    '0b7e0bd2'
    """
    return full_id[:_N_SHORT]


def find(client: Client, text: str) -> Submission | Evaluation:
    """What an id, or the beginning of one's own, names. Raises NotFound where it is neither."""
    wanted = full_id(client, text)
    try:
        return client.submission(wanted)
    except NotFound:
        return client.evaluation(wanted)


def full_id(client: Client, text: str) -> str:
    """An id in full. Raises SubmissionError for what names none, or several."""
    folded = text.strip().lower()
    if re.fullmatch("[0-9a-f]{1,3}", folded):
        raise SubmissionError(
            f"{text} is too short for an id: give its first {_N_SHORT} characters"
        )
    if not _BEGINNING.fullmatch(folded) or len(folded) >= 36:
        return checked_id(text)
    if not client.has_token:
        raise SubmissionError(
            f"{text} is a short id, which is looked up among your own: sign in with touchstone "
            "login, or give it in full"
        )
    named = {pk: name for pk, name in _own_ids(client) if pk.startswith(folded)}
    if not named:
        raise SubmissionError(f"no submission or evaluation of yours begins with {text}")
    if len(named) > 1:
        those = ", ".join(f"{pk} ({name})" for pk, name in islice(named.items(), 5))
        raise SubmissionError(f"{text} could be {those}")
    return next(iter(named))


def _own_ids(client: Client) -> Iterator[tuple[str, str]]:
    for submission in islice(client.submissions(mine=True), _N_SEARCHED):
        yield submission.id, submission.name
        for evaluation in submission.evaluations:
            yield evaluation.id, f"{submission.name} on {evaluation.task}"


def latest(
    client: Client, is_meant: Callable[[Submission], bool] = lambda submission: True
) -> Submission:
    """The user's own latest submission that is meant; it is said on stderr which that is."""
    own = islice(client.submissions(mine=True), _N_SEARCHED)
    submission = next(filter(is_meant, own), None)
    if submission is None:
        raise SubmissionError("there is none of yours: touchstone status lists what you submitted")
    print(f"touchstone: {submission.name} ({short(submission.id)}), your latest", file=sys.stderr)
    return submission
