from __future__ import annotations

import pytest

from tests.slow_files import is_slow_as_a_whole


@pytest.mark.parametrize(
    ("text", "is_slow"),
    [
        ("import pytest\n\npytestmark = pytest.mark.slow\n", True),
        ("pytestmark = [pytest.mark.django_db, pytest.mark.trained]\n", True),
        (
            "pytestmark = [\n    # why\n    pytest.mark.sandbox,\n    pytest.mark.django_db,\n]\n",
            True,
        ),
        ("pytestmark = pytest.mark.django_db\n\n\n@pytest.mark.slow\ndef test_it(): ...\n", False),
        ("pytestmark = [\n    pytest.mark.django_db,\n]\nMARK = pytest.mark.slow\n", False),
        ("pytestmark = [\n    pytest.mark.slowest,\n]\n", False),
        ("def marks():\n    pytestmark = pytest.mark.slow\n", False),
        ("def test_it(): ...\n", False),
    ],
)
def test_a_file_is_slow_as_a_whole_where_its_module_is_marked(text: str, is_slow: bool) -> None:
    assert is_slow_as_a_whole(text) is is_slow


def test_no_fast_test_is_left_out_with_a_slow_file(request: pytest.FixtureRequest) -> None:
    """In whichever files this session opened."""
    left_out = {
        item.nodeid
        for item in request.session.items
        if is_slow_as_a_whole(item.path.read_text()) and item.get_closest_marker("slow") is None
    }
    assert left_out == set()
