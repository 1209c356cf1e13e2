from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from leaderboard.enums import Visibility
from leaderboard.models import Membership, Team
from leaderboard.services.submissions import lists
from tests.leaderboard import factories

pytestmark = pytest.mark.django_db


def test_only_versions_that_the_reader_may_see_are_listed_and_counted() -> None:
    potential = factories.potential(slug="mine")
    public = factories.submission(potential)
    private = factories.submission(potential, visibility=Visibility.PRIVATE)
    alice, bob, charlie = factories.user(), factories.user("bob"), factories.charlie()

    for reader, versions in (
        (AnonymousUser(), [public]),
        (bob, [public]),
        (alice, [private, public]),
        (charlie, [private, public]),
    ):
        assert lists.versions_of(potential, reader) == versions
        rows = lists.listed_potentials(reader, "slug", "n_versions")
        assert rows == [("mine", len(versions))]
    assert list(lists.submissions_with_results(bob)) == []
    assert list(lists.submissions_with_results(alice)) == [private, public]


def test_the_newest_evaluated_version_tells_of_a_potential() -> None:
    potential = factories.potential()
    evaluated, newer = factories.submission(potential), factories.submission(potential)
    everybody = AnonymousUser()
    assert lists.telling_version(potential, everybody) == newer
    factories.evaluation(newer)
    factories.evaluation(evaluated, score=0.5)
    assert lists.telling_version(potential, everybody) == evaluated
    potential.submissions.update(visibility=Visibility.PRIVATE)
    assert lists.telling_version(potential, everybody) is None


def test_viewers_of_a_team_cannot_choose_its_potentials_to_submit_to() -> None:
    alice, sam, vera = factories.user(), factories.user("sam"), factories.user("vera")
    team = Team.objects.create(slug="the-team", name="The team", created_by=alice)
    Membership.objects.create(team=team, user=sam, role="submitter")
    Membership.objects.create(team=team, user=vera, role="viewer")
    of_team = factories.potential(alice, team=team, slug="of-the-team")

    assert list(lists.potentials_to_submit_to(sam)) == [of_team]
    assert lists.potential_to_submit_to(sam, "of-the-team") == of_team
    assert list(lists.potentials_to_submit_to(vera)) == []
    assert lists.potential_to_submit_to(vera, "of-the-team") is None
