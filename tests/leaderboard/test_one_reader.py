"""Page and API read the same address of a board alike."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from leaderboard.api.query import BoardQuery, board_filter, read_query
from leaderboard.services.boards.filters import BoardFilter
from leaderboard.web.boards.query import read_board_query

GOOD = [
    ("elements=Si,O", BoardFilter(elements=("Si", "O"))),
    ("elements=Si-O%20Si", BoardFilter(elements=("Si", "O"))),
    ("max_parameters=300k", BoardFilter(max_parameters=300_000)),
    ("min_parameters=1.5M", BoardFilter(min_parameters=1_500_000)),
    ("open_weights=yes", BoardFilter(open_weights=True)),
    ("conservative=off", BoardFilter(conservative=False)),
    ("elements=&max_parameters=&open_weights=", BoardFilter()),
]
BAD = [
    ("elements=Qq", "'Qq' is no chemical symbol. Write Li, P, S."),
    ("max_parameters=many", "must be a number like 250000, 250k or 5M."),
    ("min_parameters=-1", "must be a number like 250000, 250k or 5M."),
    ("open_weights=perhaps", "must be 1 or 0."),
]


def by_the_api(address: str) -> BoardFilter:
    request = Request(APIRequestFactory().get(f"/?{address}"))
    return board_filter(read_query(request, BoardQuery))


@pytest.mark.parametrize(("address", "wanted"), GOOD)
def test_page_and_api_want_the_same_rows(address: str, wanted: BoardFilter) -> None:
    page = read_board_query(QueryDict(address), [], {})

    assert page.complaints == []
    assert page.wanted == wanted
    assert by_the_api(address) == wanted


@pytest.mark.parametrize(("address", "words"), BAD)
def test_page_and_api_say_the_same_of_a_bad_address(address: str, words: str) -> None:
    (complaint,) = read_board_query(QueryDict(address), [], {}).complaints
    assert complaint.endswith(words)

    with pytest.raises(ValidationError) as refused:
        by_the_api(address)
    assert refused.value.detail == {address.partition("=")[0]: [words]}
