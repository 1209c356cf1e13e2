"""Moments in the past, as readers write them; and the month around a moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.utils import timezone


def past_moment(text: str) -> datetime:
    """Read an ISO 8601 date (its end, in UTC) or time; ValueError says what is wrong with it."""
    text = text.strip()
    try:
        day = date.fromisoformat(text) if len(text) == len("2026-11-20") else None
        moment = datetime.fromisoformat(text) if day is None else datetime.combine(day, time.max)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("must be a date or a time, as in ISO 8601.") from error
    if moment > timezone.now():
        raise ValueError("has not passed yet, so it would still change.")
    return moment


def next_second(moment: datetime) -> datetime:
    """The moment itself where it has no fraction of a second, else the full second after it."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def month_around(moment: datetime) -> tuple[datetime, datetime]:
    """When the month of a moment began, and when the next one begins."""
    begin = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return begin, (begin + timedelta(days=32)).replace(day=1)
