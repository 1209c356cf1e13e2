from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied

from leaderboard.exceptions import SubmissionError
from leaderboard.models import ApiToken
from leaderboard.models.account import hash_token
from leaderboard.services.accounts import accounts
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_the_text_of_a_token_is_not_stored() -> None:
    token, text = accounts.create_token(factories.user(), " laptop ")

    assert token.name == "laptop"
    assert token.token_hash == hash_token(text)
    assert text not in str(ApiToken.objects.values().get())


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_token_needs_a_name(name: str) -> None:
    with pytest.raises(SubmissionError, match="1 to 100 characters"):
        accounts.create_token(factories.user(), name)


def test_valid_tokens_are_limited_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_MAX_TOKENS", 1)
    alice = factories.user()
    token, _ = accounts.create_token(alice, "first")
    with pytest.raises(SubmissionError, match="Revoke one first"):
        accounts.create_token(alice, "second")
    accounts.revoke_token(alice, token)
    accounts.create_token(alice, "second")


def test_bob_cannot_revoke_the_token_of_alice_but_charlie_can() -> None:
    token, _ = accounts.create_token(factories.user(), "laptop")
    with pytest.raises(PermissionDenied, match="Only its owner"):
        accounts.revoke_token(factories.user("bob"), token)

    accounts.revoke_token(factories.charlie(), token)
    token.refresh_from_db()
    first = token.revoked_at
    accounts.revoke_token(token.user, token)
    token.refresh_from_db()
    assert first is not None
    assert token.revoked_at == first
