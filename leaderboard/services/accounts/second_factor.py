"""The second factor: an authenticator app or a recovery code, and what the staff may do without.

allauth keeps the factors and asks for them at sign-in. Ours is what follows: a code works once,
secrets are not readable in the database, and where ``settings.STAFF_SECOND_FACTOR`` is on a member
of the staff has the staff's rights only in a session in which the factor was shown. Until then the
rights are *withheld*: the user is an ordinary one to whatever handles the request.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import time
from collections.abc import MutableMapping
from typing import Any

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction

from leaderboard.enums import TokenEnd, TokenScope
from leaderboard.models import ApiToken
from leaderboard.services.accounts import audit
from leaderboard.services.accounts.access import end_tokens

logger = logging.getLogger(__name__)

#: In a session: the key of the factor that was shown or set up in it.
SESSION_MARK = "second_factor"
#: A code of an app is valid for a minute and a half around its own half minute.
_SPENT_FOR_S = 180
_WITHHELD = "staff_rights_withheld"


def factor_of(user: User | AnonymousUser) -> Authenticator | None:
    """The authenticator app of a user; recovery codes exist beside one alone."""
    if user.pk is None:
        return None
    return Authenticator.objects.filter(user_id=user.pk, type=Authenticator.Type.TOTP).first()


def lacks(user: User) -> bool:
    """Whether a member of the staff has not shown what the staff's rights need."""
    if is_withheld(user):
        return True
    return user.is_staff and settings.STAFF_SECOND_FACTOR and factor_of(user) is None


def is_withheld(user: User | AnonymousUser) -> bool:
    """Whether this is one of the staff whose rights are withheld for now."""
    return bool(getattr(user, _WITHHELD, None))


def withhold_in_session(user: User, session: MutableMapping[str, Any]) -> None:
    """Withhold the staff's rights unless the factor was shown in this session."""
    if not (user.is_staff and settings.STAFF_SECOND_FACTOR):
        return
    factor = factor_of(user)
    if factor is None or session.get(SESSION_MARK) != factor.pk:
        withhold(user)


def withhold_from_token(user: User, token: ApiToken) -> None:
    """Withhold them from tokens that were made before the factor that there is now."""
    if not (user.is_staff and settings.STAFF_SECOND_FACTOR):
        return
    factor = factor_of(user)
    if factor is None or token.created_at < factor.created_at:
        withhold(user)


def withhold(user: User) -> None:
    """In this copy of the user alone: ``before_save`` and ``after_save`` see to the row."""
    setattr(user, _WITHHELD, (user.is_staff, user.is_superuser))
    user.is_staff = user.is_superuser = False


def before_save(instance: User, **_: object) -> None:
    """Receives Django's signal: what is withheld for a moment is not taken from the row."""
    if rights := getattr(instance, _WITHHELD, None):
        instance.is_staff, instance.is_superuser = rights


def after_save(instance: User, **_: object) -> None:
    if getattr(instance, _WITHHELD, None):
        instance.is_staff = instance.is_superuser = False


def spent_by(user: User, code: str) -> Authenticator | None:
    """The factor that a code belongs to; None for a wrong one, and for one that was used.

    allauth remembers used codes in a process's memory; here they stand in the row, so that no
    other process takes the same code again.
    """
    for factor in Authenticator.objects.filter(user=user).order_by("-type"):
        if factor.wrap().validate_code(code) and _spend(factor, code):
            return factor
    return None


def drop(user: User, actor: audit.Actor) -> int:
    """Take all factors from somebody who has lost them; returns how many there were."""
    factors = Authenticator.objects.filter(user=user)
    with transaction.atomic():
        n_factors: int = factors.count()
        factors.delete()
        _end_staff_tokens(user)
        audit.record(actor, "second factor dropped", user, detail=f"{n_factors} removed")
    return n_factors


def added(request: Any, user: User, authenticator: Authenticator, **_: object) -> None:  # noqa: ANN401
    """Receives allauth's signal: the session in which an app is set up has shown it."""
    if authenticator.type == Authenticator.Type.TOTP:
        request.session[SESSION_MARK] = authenticator.pk
    audit.record(user, "second factor added", user, detail=str(authenticator))


def removed(user: User, authenticator: Authenticator, **_: object) -> None:
    if authenticator.type == Authenticator.Type.TOTP:
        _end_staff_tokens(user)
    audit.record(user, "second factor removed", user, detail=str(authenticator))


def renewed(user: User, authenticator: Authenticator, **_: object) -> None:
    audit.record(user, "recovery codes renewed", user, detail=str(authenticator))


def used(request: Any, user: User, authenticator: Authenticator, **_: object) -> None:  # noqa: ANN401
    factor = factor_of(user)
    request.session[SESSION_MARK] = factor.pk if factor is not None else None
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        audit.record(user, "recovery code used", user)


def encrypted(text: str) -> str:
    """A secret as the database keeps it: a copy of the database opens nothing."""
    return _cipher().encrypt(text.encode()).decode()


def decrypted(text: str) -> str:
    """The secret; one that no code fits where the service's key has changed since."""
    try:
        return _cipher().decrypt(text.encode()).decode()
    except InvalidToken:
        logger.exception(
            "A second factor was set up under another TOUCHSTONE_SECRET_KEY: name that one in "
            "TOUCHSTONE_OLD_SECRET_KEYS, or run manage.py drop_second_factor"
        )
        return str(generate_totp_secret())


def _cipher() -> MultiFernet:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    hashes = (hashlib.sha256(b"second factor" + key.encode()).digest() for key in keys)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in hashes])


def _spend(factor: Authenticator, code: str) -> bool:
    """Note that a code was used; False where it had been."""
    if factor.type != Authenticator.Type.TOTP:
        return True  # a recovery code is crossed out by allauth, under a lock
    # As allauth compares codes: "123-456" and "123 456" are "123456".
    digest = hashlib.sha256(normalize_user_code(code).encode()).hexdigest()[:16]
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().get(pk=factor.pk)
        now = int(time.time())
        spent = {d: at for d, at in row.data.get("spent", {}).items() if at > now - _SPENT_FOR_S}
        if digest in spent:
            return False
        row.data["spent"] = {**spent, digest: now}
        row.save(update_fields=["data"])
    return True


def _end_staff_tokens(user: User) -> None:
    end_tokens(user, TokenEnd.SECOND_FACTOR, scope=TokenScope.ADMIN)
